#include "host/dapr_arguments.h"

#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace trilby::host {
namespace {

/// A guest's memory of a page, into which texts are put one after the other. It is full of letters and ends in the
/// middle of a word that would be right everywhere, so that only where a text lies can be wrong with it.
class DaprArguments : public testing::Test {
 protected:
  static constexpr std::uint32_t kSize = 65536;
  static constexpr std::string_view kAcrossTheEnd = "DELETE";
  static constexpr Span kInside{kSize - 4, 4};
  static constexpr Span kOutside{kSize - 4, 6};

  DaprArguments() { std::memcpy(bytes_.data() + kOutside.at, kAcrossTheEnd.data(), kAcrossTheEnd.size()); }

  Span put(std::string_view text) {
    const Span span{at_, static_cast<std::uint32_t>(text.size())};
    std::memcpy(bytes_.data() + at_, text.data(), text.size());
    at_ += span.length;
    return span;
  }
  [[nodiscard]] wasm::GuestMemory memory() { return wasm::GuestMemory(std::span(bytes_).first(kSize)); }
  bool takes_method(std::string_view method, std::string_view verb = "POST") {
    return decode_method(memory(), put("app"), put(method), put(verb)).has_value();
  }

 private:
  std::vector<std::byte> bytes_ = std::vector<std::byte>(kSize + 2, std::byte{'a'});
  std::uint32_t at_ = 0;
};

TEST_F(DaprArguments, AreWhatTheGuestSays) {
  const auto address = decode_address(memory(), put("store"), put("order-7"), DaprRest::Key);
  ASSERT_TRUE(address);
  EXPECT_EQ(address->text(), "store/order-7");
  const auto method = decode_method(memory(), put("billing"), put("orders/7?full=1&x=%20"), put("GET"));
  ASSERT_TRUE(method);
  EXPECT_EQ(method->address.text(), "billing/orders/7");
  EXPECT_EQ(method->query, "full=1&x=%20");
  EXPECT_EQ(method->verb, "GET");
}

TEST_F(DaprArguments, OutsideOfTheMemoryAreRefused) {
  const Span good = put("good");
  EXPECT_TRUE(decode_address(memory(), kInside, kInside, DaprRest::Key));
  EXPECT_TRUE(decode_method(memory(), good, good, put(kAcrossTheEnd)));
  for (const Span bad : {kOutside, Span{65533, 4}, Span{0, 0xFFFFFFFF}, Span{0xFFFFFFFF, 1},
                         Span{0xFFFFFFFF, 0xFFFFFFFF}, Span{65537, 0}, Span{0x80000000, 0x80000000}}) {
    EXPECT_FALSE(decode_address(memory(), bad, good, DaprRest::Key));
    EXPECT_FALSE(decode_address(memory(), good, bad, DaprRest::Key));
    EXPECT_FALSE(decode_method(memory(), bad, good, put("GET")));
    EXPECT_FALSE(decode_method(memory(), good, bad, put("GET")));
    EXPECT_FALSE(decode_method(memory(), good, good, bad));
    EXPECT_FALSE(decode_content_type(memory(), bad));
  }
}

TEST_F(DaprArguments, MayNotLeadElsewhere) {
  for (const std::string_view bad : {"", ".", "..", "../metadata", "a%2f..%2fshutdown", "a||b", "a\nb", "a b", "a/b"}) {
    EXPECT_FALSE(decode_address(memory(), put("store"), put(bad), DaprRest::Key)) << bad;
    EXPECT_FALSE(decode_address(memory(), put(bad), put("key"), DaprRest::Key)) << bad;
    EXPECT_FALSE(decode_address(memory(), put("mail"), put(bad), DaprRest::Name)) << bad;
  }
  EXPECT_TRUE(decode_address(memory(), put("broker"), put("a/b"), DaprRest::Path));
  EXPECT_FALSE(decode_address(memory(), put("broker"), put("a/../b"), DaprRest::Path));
}

TEST_F(DaprArguments, OfAMethodAreChecked) {
  EXPECT_TRUE(takes_method("pay"));
  EXPECT_TRUE(takes_method("pay?"));
  for (const std::string_view bad : {"", "?a", "/pay", "pay/", "a//b", "a/../../v1.0/shutdown", "a%2fb", "a#b", "a?b c",
                                     "a?b\r\nhost: x", "a?b#c", "a?\xc3\xa9"}) {
    EXPECT_FALSE(takes_method(bad)) << bad;
  }
  EXPECT_FALSE(takes_method("a?" + std::string(1025, 'x')));
  for (const std::string_view verb : {"", "get", "HEAD", "CONNECT", "TRACE", "OPTIONS", "POST ", "GET /x"}) {
    EXPECT_FALSE(takes_method("pay", verb)) << verb;
  }
}

TEST_F(DaprArguments, OfAContentTypeAreOneLine) {
  EXPECT_EQ(decode_content_type(memory(), put("text/plain; charset=utf-8")), "text/plain; charset=utf-8");
  EXPECT_EQ(decode_content_type(memory(), Span{0, 0}), "application/octet-stream");
  for (const std::string_view bad : {"a\r\nx: y", "a\x7f", "caf\xc3\xa9", " a", "a "}) {
    EXPECT_FALSE(decode_content_type(memory(), put(bad))) << bad;
  }
  EXPECT_FALSE(decode_content_type(memory(), put(std::string(129, 'a'))));
}

TEST_F(DaprArguments, OfATransactionAreAListOfUpsertsAndDeletes) {
  EXPECT_EQ(checked_operations(R"( [ {"request":{"value": {"a" :1e9} ,"key":"k"},"operation":"upsert"},
                                    {"operation":"delete","request":{"key":"l"}} ] )"),
            R"([{"operation":"upsert","request":{"key":"k","value":{"a" :1e9}}},)"
            R"({"operation":"delete","request":{"key":"l"}}])");
  EXPECT_EQ(checked_operations(R"([{"operation":"upsert","request":{"key":"k","value":null}}])"),
            R"([{"operation":"upsert","request":{"key":"k","value":null}}])");
  for (const std::string_view bad :
       {"",
        "{}",
        "[]",
        "[1]",
        "[{}]",
        R"([{"operation":"upsert"}])",
        R"([{"request":{"key":"k","value":1}}])",
        R"([{"operation":"upsert","request":{"key":"k"}}])",
        R"([{"operation":"delete","request":{"key":"k","value":1}}])",
        R"([{"operation":"erase","request":{"key":"k"}}])",
        R"([{"operation":"delete","request":{"key":1}}])",
        R"([{"operation":"delete","request":{"key":""}}])",
        R"([{"operation":"delete","request":{"key":"a||b"}}])",
        R"([{"operation":"delete","request":{"key":"a||b"}}])",
        R"([{"operation":"delete","request":{"key":"k","etag":"1"}}])",
        R"([{"operation":"delete","request":{"key":"k"},"metadata":{}}])",
        R"([{"operation":"delete","operation":"delete","request":{"key":"k"}}])",
        R"([{"operation":"delete","request":{"key":"k","key":"k"}}])",
        R"([{"operation":"delete","request":{"key":"k"}},{"operation":"delete","request":{"key":"k"}}])",
        R"([{"operation":"delete","request":[]}])"}) {
    EXPECT_FALSE(checked_operations(bad)) << bad;
  }
  std::string many;
  for (std::size_t i = 0; i < kMaxActorOperations; ++i) {
    many += fmt::format(R"({}{{"operation":"delete","request":{{"key":"{}"}}}})", i == 0 ? "" : ",", i);
  }
  EXPECT_TRUE(checked_operations("[" + many + "]"));
  EXPECT_FALSE(checked_operations("[" + many + R"(,{"operation":"delete","request":{"key":"k"}}])"));
}

TEST_F(DaprArguments, OfAReminderAreTimesAndData) {
  EXPECT_EQ(checked_recurrence("{}"), "{}");
  EXPECT_EQ(checked_recurrence(R"( {"data": [1, 2],"dueTime":"1s","period":"R3/PT1S","ttl":"1h"} )"),
            R"({"data":[1, 2],"dueTime":"1s","period":"R3/PT1S","ttl":"1h"})");
  for (const std::string_view bad : {"", "[]", R"({"dueTime":1})", R"({"period":null})", R"({"callback":"c"})",
                                     R"({"overwrite":true})", R"({"data":1,"data":2})"}) {
    EXPECT_FALSE(checked_recurrence(bad)) << bad;
  }
}

}  // namespace
}  // namespace trilby::host
