#include "base/units.h"

#include <gtest/gtest.h>

namespace trilby {
namespace {

using namespace std::chrono_literals;
using namespace trilby::literals;

TEST(ParseBytes, ReadsBinaryUnits) {
  EXPECT_EQ(parse_bytes("0").value(), Bytes{0});
  EXPECT_EQ(parse_bytes("64MiB").value(), 64_MiB);
  EXPECT_EQ(parse_bytes("512 KiB").value(), 512_KiB);
  EXPECT_EQ(parse_bytes("1500B").value(), Bytes{1500});
}

TEST(ParseBytes, RefusesWhatIsNoSize) {
  for (const char* text :
       {"", "MiB", "-1", "1.5MiB", "64MB", "64 mib", "99999999999999999999", "18446744073709551615GiB"}) {
    EXPECT_FALSE(parse_bytes(text)) << text;
  }
}

TEST(ParseDuration, ReadsUnitsAndFractions) {
  EXPECT_EQ(parse_duration("1.5s").value(), 1500ms);
  EXPECT_EQ(parse_duration("250us").value(), 250us);
  EXPECT_EQ(parse_duration("24h").value(), 24h);
}

TEST(ParseDuration, RefusesBareNumbersAndExcess) {
  for (const char* text : {"", "10", "-1s", "25h", "1e9h", "5 parsecs", "1..5s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Format, IsReadBackAsTheSameValue) {
  for (const Bytes bytes : {Bytes{1}, Bytes{1500}, 8_MiB, 3_GiB}) {
    EXPECT_EQ(parse_bytes(format(bytes)).value(), bytes);
  }
  for (const Duration duration : {Duration(250us), Duration(1500ms), Duration(2h)}) {
    EXPECT_EQ(parse_duration(format(duration)).value(), duration);
  }
}

}  // namespace
}  // namespace trilby
