#include "call/shared_body.h"

#include <gtest/gtest.h>

namespace trilby {
namespace {

std::string all_of(std::unique_ptr<BodySource> body) {
  std::string bytes;
  (void)read_all(std::move(body), Bytes{1U << 20U}, [&](Result<std::string> read) { bytes = read.value(); });
  return bytes;
}

TEST(SharedBody, GivesTheSameBytesAsOftenAsItIsMade) {
  for (const std::size_t size : {0U, 1U, 65535U, 65536U, 65537U, 300000U}) {
    const auto bytes = std::make_shared<const std::string>(size, 'x');
    EXPECT_EQ(make_shared_body(bytes)->length(), size);
    EXPECT_EQ(all_of(make_shared_body(bytes)), *bytes);
    EXPECT_EQ(all_of(make_shared_body(bytes)), *bytes);
  }
}

TEST(SharedBody, KeepsItsBytes) {
  std::weak_ptr<const std::string> seen;
  std::unique_ptr<BodySource> body;
  {
    const auto bytes = std::make_shared<const std::string>("kept");
    seen = bytes;
    body = make_shared_body(bytes);
  }
  EXPECT_FALSE(seen.expired());
  EXPECT_EQ(all_of(std::move(body)), "kept");
  EXPECT_TRUE(seen.expired());
}

}  // namespace
}  // namespace trilby
