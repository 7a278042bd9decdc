#include "base/json.h"

#include <limits>

#include <gtest/gtest.h>

namespace trilby {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonString, EscapesWhatJsonForbids) {
  EXPECT_EQ(quoted("a\"b\\c\n\x01"), R"("a\"b\\c\n\u0001")");
  EXPECT_EQ(quoted("caf\xC3\xA9"), "\"caf\xC3\xA9\"");
}

TEST(JsonString, EscapesWhatDrivesTerminals) {
  EXPECT_EQ(quoted("\x1b[2J\x7f\xC2\x9B|\xC2\xA0"), "\"\\u001b[2J\\u007f\\u009b|\xC2\xA0\"");
}

TEST(JsonString, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(quoted("\xFF|\xC3"), R"("\ufffd|\ufffd")");
  EXPECT_EQ(quoted("\xED\xA0\x80"), R"("\ufffd\ufffd\ufffd")");  // a surrogate
}

TEST(JsonWriter, PlacesCommas) {
  std::string out;
  JsonWriter json(out);
  json.open_object().member("a", 1).key("b").open_array().value("x").value(true).null().close_array();
  json.member("c", std::numeric_limits<double>::quiet_NaN())
      .key("d")
      .open_object()
      .close_object()
      .member("e", 2U)
      .close_object();
  EXPECT_EQ(out, R"({"a":1,"b":["x",true,null],"c":null,"d":{},"e":2})");
}

}  // namespace
}  // namespace trilby
