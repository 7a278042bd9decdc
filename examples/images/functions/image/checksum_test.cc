#include "image/checksum.h"

#include <gtest/gtest.h>

#include "image/test_pictures.h"

namespace image {
namespace {

const File kDigits = {'1', '2', '3', '4', '5', '6', '7', '8', '9'};

TEST(Crc32, HasTheCheckValueOfItsCatalogue) {
  EXPECT_EQ(crc32(kDigits), 0xcbf43926U);
}

TEST(Crc32, GoesOnWhereItStopped) {
  const File bytes = noise(1000);
  for (const std::size_t cut : {0U, 1U, 7U, 8U, 9U, 500U, 999U, 1000U}) {
    EXPECT_EQ(crc32(Bytes(bytes).subspan(cut), crc32(Bytes(bytes).first(cut))), crc32(bytes)) << cut;
  }
}

TEST(Adler32, HasTheValueOfItsDefinition) {
  EXPECT_EQ(adler32({}), 1U);
  EXPECT_EQ(adler32(kDigits), 0x091e01deU);
}

TEST(Adler32, IsTheSumOfAllLengthsAndTheLargestBytes) {
  for (const std::size_t size : {1U, 15U, 16U, 351U, 352U, 353U, 704U, 5552U, 100000U}) {
    for (const File& bytes : {noise(size), File(size, 0xff)}) {
      std::uint32_t a = 1;
      std::uint32_t b = 0;
      for (const std::uint8_t byte : bytes) {
        a = (a + byte) % 65521;
        b = (b + a) % 65521;
      }
      EXPECT_EQ(adler32(bytes), (b << 16) | a) << size;
    }
  }
}

}  // namespace
}  // namespace image
