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
            R"([{"operation":"upsert","request":{"value":{"a" :1e9},"key":"k"}},)"
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
  for (std::size_t i = 0; i < kMaxOperations; ++i) {
    many += fmt::format(R"({}{{"operation":"delete","request":{{"key":"{}"}}}})", i == 0 ? "" : ",", i);
  }
  EXPECT_TRUE(checked_operations("[" + many + "]"));
  EXPECT_FALSE(checked_operations("[" + many + R"(,{"operation":"delete","request":{"key":"k"}}])"));
}

TEST_F(DaprArguments, OfAJobAreANameAlone) {
  const auto job = decode_address(memory(), put("remind-7"), {}, DaprRest::None);
  ASSERT_TRUE(job);
  EXPECT_EQ(job->text(), "remind-7");
  for (const std::string_view bad : {"", ".", "a/b", "a:b", "a||b", "a*", "a..b", "a%2fb"}) {
    EXPECT_FALSE(decode_address(memory(), put(bad), {}, DaprRest::None)) << bad;
  }
  EXPECT_FALSE(decode_address(memory(), kOutside, {}, DaprRest::None));
}

TEST_F(DaprArguments, OfAJobAreWhenAndWithWhat) {
  EXPECT_EQ(checked_job(R"({"dueTime":"0s"})"), R"({"dueTime":"0s","data":null})");
  EXPECT_EQ(checked_job(R"( { "schedule" : "@every 1m", "repeats":4294967295, "ttl":"1h", "data": [1, 2],
                              "overwrite": true, "failurePolicy" : { "constant" : { "maxRetries": 0 } } } )"),
            R"({"schedule":"@every 1m","repeats":4294967295,"ttl":"1h","data":[1, 2],"overwrite":true,)"
            R"("failurePolicy":{"constant":{"maxRetries":0}}})");
  EXPECT_EQ(checked_job(R"({"dueTime":"1s","failurePolicy":{"drop": {}}})"),
            R"({"dueTime":"1s","failurePolicy":{"drop":{}},"data":null})");
  for (const std::string_view bad : {"",
                                     "[]",
                                     "{}",
                                     R"({"data":1})",
                                     R"({"dueTime":1})",
                                     R"({"schedule":null})",
                                     R"({"schedule":"now and then"})",
                                     R"({"schedule":"@every 1ms"})",
                                     R"({"schedule":"0 0 0 30 2 *"})",
                                     R"({"dueTime":"1s","name":"x"})",
                                     R"({"dueTime":"1s","dueTime":"2s"})",
                                     R"({"due_time":"1s"})",
                                     R"({"dueTime":"1s","repeats":-1})",
                                     R"({"dueTime":"1s","repeats":4294967296})",
                                     R"({"dueTime":"1s","repeats":"5"})",
                                     R"({"dueTime":"1s","repeats":1.5})",
                                     R"({"dueTime":"1s","repeats":1e2})",
                                     R"({"dueTime":"1s","overwrite":1})",
                                     R"({"dueTime":"1s","failurePolicy":{}})",
                                     R"({"dueTime":"1s","failurePolicy":"drop"})",
                                     R"({"dueTime":"1s","failurePolicy":{"drop":{},"constant":{}}})",
                                     R"({"dueTime":"1s","failurePolicy":{"drop":{"x":1}}})",
                                     R"({"dueTime":"1s","failurePolicy":{"constant":{"interval":5}}})"}) {
    EXPECT_FALSE(checked_job(bad)) << bad;
  }
  EXPECT_FALSE(checked_job(fmt::format(R"({{"dueTime":"{}"}})", std::string(2000, '1'))));
}

TEST_F(DaprArguments, OfATransactionOfStatesMayHaveMore) {
  const auto checked = checked_transaction(
      R"([{"operation":"upsert","request":{"key":"a","value":1,"etag":"7","metadata":{"ttlInSeconds":"60"},)"
      R"("options":{"concurrency" : "first-write","consistency":"strong"}}},)"
      R"({"request":{"options":{"concurrency":"last-write"},"etag":"8","key":"b"},"operation":"delete"}])");
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(checked->text,
            R"([{"operation":"upsert","request":{"key":"a","value":1,"etag":"7","metadata":{"ttlInSeconds":"60"},)"
            R"("options":{"concurrency":"first-write","consistency":"strong"}}},)"
            R"({"operation":"delete","request":{"options":{"concurrency":"last-write"},"etag":"8","key":"b"}}])");
  const auto takes = [](std::string_view more) {
    return checked_transaction(fmt::format(R"([{{"operation":"upsert","request":{{"key":"a","value":1,{}}}}}])", more))
        .has_value();
  };
  for (const std::string_view good :
       {R"("metadata":{})", R"("metadata":{"ttlInSeconds":"-1"})", R"("metadata":{"ttlInSeconds":"2147483647"})",
        R"("options":{})", R"("options":{"consistency":"eventual"})"}) {
    EXPECT_TRUE(takes(good)) << good;
  }
  for (const std::string_view bad : {R"("etag":7)",
                                     R"("etag":"")",
                                     R"("etag":null)",
                                     R"("etag":"1","etag":"2")",
                                     R"("metadata":"x")",
                                     R"("metadata":{"ttlInSeconds":60})",
                                     R"("metadata":{"ttlInSeconds":"0"})",
                                     R"("metadata":{"ttlInSeconds":"-2"})",
                                     R"("metadata":{"ttlInSeconds":"1s"})",
                                     R"("metadata":{"ttlInSeconds":""})",
                                     R"("metadata":{"ttlInSeconds":"2147483648"})",
                                     R"("metadata":{"contentType":"x"})",
                                     R"("metadata":{"partitionKey":"x"})",
                                     R"("options":{"concurrency":"any"})",
                                     R"("options":{"concurrency":1})",
                                     R"("options":{"retry":{}})",
                                     R"("contentType":"x")",
                                     R"("value":2)",
                                     R"("key":"b")",
                                     R"("Key":"b")"}) {
    EXPECT_FALSE(takes(bad)) << bad;
  }
  for (const std::string_view bad :
       {R"([{"operation":"delete","request":{"key":"a","metadata":{"ttlInSeconds":"60"}}}])",
        R"([{"operation":"delete","request":{"key":"a","value":1}}])",
        R"([{"operation":"delete","request":{"etag":"1"}}])", R"([{"operation":"delete","request":{"key":"a||b"}}])",
        R"([{"operation":"upsert","request":{"key":"a"}}])",
        R"([{"operation":"delete","request":{"key":"a"}},{"operation":"delete","request":{"key":"a"}}])"}) {
    EXPECT_FALSE(checked_transaction(bad)) << bad;
  }
  EXPECT_FALSE(takes(fmt::format(R"("etag":"{}")", std::string(2000, '1'))));
}

TEST_F(DaprArguments, OfATransactionAreComparedWhatIsChangedAsTheStateSays) {
  const auto checked = checked_transaction(
      R"([{"operation":"upsert","request":{"key":"plain","value":{"etag":"7"}}},)"
      R"({"operation":"delete","request":{"key":"gone"}},)"
      R"({"operation":"upsert","request":{"key":"last","value":1,"options":{"concurrency":"last-write"}}},)"
      R"({"operation":"upsert","request":{"key":"strong","value":1,"options":{"consistency":"strong"}}},)"
      R"({"operation":"upsert","request":{"key":"etag","value":1,"etag":"7"}},)"
      R"({"operation":"delete","request":{"\u0065tag":"7","key":"gone-etag"}},)"
      R"({"operation":"upsert","request":{"key":"first","value":1,"options":{"concurrency":"first-write"}}},)"
      R"({"operation":"delete","request":{"key":"gone-first","options":{"concurrency":"\u0066irst-write"}}}])");
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->keys.size(), 8U);
  EXPECT_EQ(checked->compared, (std::vector<std::string>{"etag", "gone-etag", "first", "gone-first"}));
}

TEST_F(DaprArguments, OfWhatIsReadAtOnceAreKeysEachOnce) {
  const auto checked = checked_keys(R"( [ "a:1" , "b" ] )");
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->text, R"(["a:1","b"])");
  EXPECT_EQ(checked->keys, (std::vector<std::string>{"a:1", "b"}));
  EXPECT_TRUE(checked->compared.empty());
  for (const std::string_view bad : {"", "{}", "[]", "[1]", "[\"a\",\"a\"]", "[\"\"]", "[\"a||b\"]", "[\"a/b\"]",
                                     "[\"a\",null]", "\"a\"", "[[\"a\"]]", "[\"a\\u0000\"]"}) {
    EXPECT_FALSE(checked_keys(bad)) << bad;
  }
  std::string many;
  for (std::size_t i = 0; i < kMaxKeys; ++i) {
    many += fmt::format("{}\"{}\"", i == 0 ? "" : ",", i);
  }
  EXPECT_TRUE(checked_keys("[" + many + "]"));
  EXPECT_FALSE(checked_keys("[" + many + ",\"k\"]"));
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
