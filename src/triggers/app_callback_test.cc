#include "triggers/app_callback.h"

#include <bit>
#include <map>

#include <gtest/gtest.h>

#include "base/protobuf.h"
#include "triggers/cloud_event.h"

namespace trilby::triggers {
namespace {

using namespace std::string_literals;

/// A message of texts, messages and bytes.
std::string message(std::initializer_list<std::pair<std::uint32_t, std::string>> fields) {
  std::string out;
  for (const auto& [number, value] : fields) {
    ProtobufWriter(out).bytes(number, value);
  }
  return out;
}
std::string flag(std::uint32_t number, std::uint64_t value) {
  std::string out;
  ProtobufWriter(out).integer(number, value);
  return out;
}
std::string real(std::uint32_t number, double value) {
  std::string out(1, static_cast<char>((number << 3U) | 1U));
  for (unsigned shift = 0; shift < 64; shift += 8) {
    out += static_cast<char>((std::bit_cast<std::uint64_t>(value) >> shift) & 0xFFU);
  }
  return out;
}
std::string entry(const std::string& key, const std::string& value) {
  return message({{1, key}, {2, value}});
}

/// All variables, as "NAME=value" with ' ' between.
std::string told(const Event& event) {
  std::string text;
  for (const Field& variable : event.variables) {
    text += (text.empty() ? "" : " ") + variable.name + "=" + variable.value;
  }
  return text;
}

template <typename Read>
Reason reason_of(const Read& read) {
  return read ? Reason::Ok : read.error().reason;
}

TEST(AppCallback, ReadsAnEventOfATopic) {
  const std::string extensions = message({{1, entry("subject", message({{3, "s"}}))},
                                          {1, entry("count", real(2, 7))},
                                          {1, entry("share", real(2, 0.25))},
                                          {1, entry("urgent", flag(4, 1))},
                                          {1, entry("nothing", flag(1, 0))},
                                          {1, entry("list", message({{6, ""}}))},
                                          {1, entry("Upper", message({{3, "no attribute"}}))},
                                          {1, entry("topic", message({{3, "said already"}}))}});
  const std::string bytes = message({{1, "7"},
                                     {2, "shop"},
                                     {3, "order"},
                                     {4, "1.0"},
                                     {5, "text/plain"},
                                     {7, "\x00\xff data"s},
                                     {6, "orders"},
                                     {8, "broker"},
                                     {9, "/dapr/topic/broker/orders/f"},
                                     {10, extensions},
                                     {99, "of a later version"}});
  const auto read = read_topic_message(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->path, "/dapr/topic/broker/orders/f");
  ASSERT_TRUE(read->event) << read->event.error().message;
  EXPECT_EQ(read->event->data, "\x00\xff data"s);
  EXPECT_EQ(read->event->content_type, "text/plain");
  EXPECT_EQ(told(*read->event),
            "CE_ID=7 CE_SOURCE=shop CE_TYPE=order CE_SPECVERSION=1.0 CE_DATACONTENTTYPE=text/plain CE_TOPIC=orders "
            "CE_PUBSUBNAME=broker CE_SUBJECT=s CE_COUNT=7 CE_SHARE=0.25 CE_URGENT=true");
}

TEST(AppCallback, LeavesWhatIsWrongWithAnEventToItsTrigger) {
  for (const std::string& field :
       {message({{1, "\xff"}}), message({{10, message({{1, "\x0a\x05"}})}}),
        message({{10, message({{1, entry("a", message({{3, "\xff"}}))}})}}), message({{1, std::string("a\0b", 3)}})}) {
    const std::string bytes = message({{9, "/p"}}) + field;
    const auto read = read_topic_message(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->path, "/p");
    EXPECT_EQ(reason_of(read->event), Reason::BadRequest);
  }
  std::string extensions;
  for (int i = 0; i < 150; ++i) {
    extensions += message({{1, entry("a" + std::to_string(i), message({{3, "x"}}))}});
  }
  EXPECT_EQ(reason_of(read_topic_message(message({{10, extensions}}))->event), Reason::HeadTooLarge);
}

TEST(AppCallback, RefusesWhatIsNoMessage) {
  for (const std::string& bytes : {"\x0a"s, "\x0a\x05x"s, "\x0b"s, "{\"id\":1}"s}) {
    EXPECT_EQ(reason_of(read_topic_message(bytes)), Reason::BadRequest);
    EXPECT_EQ(reason_of(read_bulk_message(bytes)), Reason::BadRequest);
    EXPECT_EQ(reason_of(read_binding_message(bytes)), Reason::BadRequest);
    EXPECT_EQ(reason_of(read_job_message(bytes)), Reason::BadRequest);
    EXPECT_EQ(reason_of(read_invoke_message(bytes)), Reason::BadRequest);
  }
  EXPECT_TRUE(read_topic_message("")) << "a message may be empty";
}

TEST(AppCallback, ReadsManyEvents) {
  const std::string event = message({{1, "7"},
                                     {2, "shop"},
                                     {5, "text/plain"},
                                     {6, "data"},
                                     {7, message({{1, entry("topic", message({{3, "t"}}))}})}});
  const std::string bytes = message({{1, "all"},
                                     {2, message({{1, "a"}, {3, event}, {4, "application/cloudevents+json"}})},
                                     {2, message({{1, "b"}, {2, "raw"}, {4, "image/png"}})},
                                     {2, ""},
                                     {4, "t"},
                                     {7, "/p"}});
  const auto read = read_bulk_message(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->path, "/p");
  ASSERT_EQ(read->entries.size(), 3U);
  EXPECT_EQ(read->entries[0].id, "a");
  const auto first = read_bulk_event(read->entries[0]);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->data, "data");
  EXPECT_EQ(told(*first), "CE_ID=7 CE_SOURCE=shop CE_DATACONTENTTYPE=text/plain CE_TOPIC=t");
  const auto second = read_bulk_event(read->entries[1]);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->data, "raw");
  EXPECT_EQ(told(*second), "CE_DATACONTENTTYPE=image/png");
  EXPECT_EQ(read->entries[2].id, "");

  std::string many;
  for (std::size_t i = 0; i <= kMaxBulkEntries; ++i) {
    many += "\x12\x00"s;
  }
  EXPECT_EQ(reason_of(read_bulk_message(many)), Reason::BadRequest) << "each costs more than the two bytes that it has";
}

TEST(AppCallback, ReadsAnEventOfABinding) {
  const std::string bytes =
      message({{1, "cron"}, {2, "data"}, {3, entry("readTimeUTC", "now")}, {3, entry("readTimeUTC", "later")}});
  const auto read = read_binding_message(bytes);
  ASSERT_TRUE(read && read->event);
  EXPECT_EQ(read->name, "cron");
  EXPECT_EQ(read->event->data, "data");
  EXPECT_EQ(told(*read->event), "DAPR_METADATA_READTIMEUTC=now");
  EXPECT_EQ(reason_of(read_binding_message(message({{1, "cron"}, {3, entry("k", "\xff")}}))->event),
            Reason::BadRequest);
}

std::string job_data(const std::string& type, const std::string& value) {
  const std::string bytes = message({{1, "nightly"}, {2, message({{1, type}, {2, value}})}});
  const auto read = read_job_message(bytes);
  return !read ? "no message" : read->event ? read->event->data : read->event.error().message;
}

TEST(AppCallback, ReadsTheDataOfAJobAsDaprGivesItOverHttp) {
  const std::string bytes = message({{1, "nightly"}});
  EXPECT_EQ(read_job_message(bytes)->name, "nightly");
  EXPECT_EQ(job_data("type.googleapis.com/google.protobuf.StringValue", " \nraw\t"), "raw");
  EXPECT_EQ(job_data("", "   "), "");
  const std::string type = "type.googleapis.com/google.protobuf.Value";
  EXPECT_EQ(job_data(type, real(2, 1.5)), "1.5");
  EXPECT_EQ(job_data(type, message({{3, "a\"b"}})), R"("a\"b")");
  EXPECT_EQ(job_data(type, flag(4, 0)), "false");
  EXPECT_EQ(job_data(type, flag(1, 0)), "null");
  EXPECT_EQ(job_data(type, ""), "null");
  const std::string list = message({{1, real(2, 1)}, {1, message({{6, ""}})}, {1, message({{5, ""}})}});
  EXPECT_EQ(
      job_data(type, message({{5, message({{1, entry("a", message({{6, list}}))}, {1, entry("b", flag(4, 1))}})}})),
      R"({"a":[1,[],{}],"b":true})");
}

TEST(AppCallback, BoundsTheDepthOfAJobsData) {
  const std::string type = "type.googleapis.com/google.protobuf.Value";
  std::string value = flag(4, 1);
  for (int i = 0; i < 100; ++i) {
    value = message({{6, message({{1, value}})}});
  }
  EXPECT_EQ(job_data(type, value), std::string(100, '[') + "true" + std::string(100, ']'));
  EXPECT_EQ(job_data(type, message({{6, message({{1, value}})}})), "the data is more than 100 deep");
}

TEST(AppCallback, ReadsWhatIsInvoked) {
  const std::string bytes = message({{1, "api/f"},
                                     {2, message({{1, "a type"}, {2, "body"}})},
                                     {3, "text/plain"},
                                     {4, flag(1, 4) + message({{2, "a=b"}})}});
  const auto read = read_invoke_message(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->method, "api/f");
  EXPECT_EQ(read->data, "body");
  EXPECT_EQ(read->content_type, "text/plain");
  EXPECT_EQ(read->verb, "PUT");
  EXPECT_EQ(read->query, "a=b");
  EXPECT_EQ(read_invoke_message("")->verb, "POST");
  EXPECT_EQ(read_invoke_message(message({{4, flag(1, 0)}}))->verb, "POST");
  EXPECT_FALSE(read_invoke_message(message({{4, flag(1, 10)}})));
  EXPECT_FALSE(read_invoke_message(message({{4, flag(1, UINT64_MAX)}})));
}

TEST(AppCallback, WritesVerdicts) {
  EXPECT_EQ(topic_status_message(Verdict::Success), "\x08\x00"s);
  EXPECT_EQ(topic_status_message(Verdict::Retry), "\x08\x01"s);
  EXPECT_EQ(topic_status_message(Verdict::Drop), "\x08\x02"s);
  EXPECT_EQ(bulk_statuses_message({{"a", {}, {}, false}, {"b", {}, {}, false}}, {Verdict::Drop, Verdict::Success}),
            "\x0a\x05\x0a\x01"
            "a\x10\x02\x0a\x05\x0a\x01"
            "b\x10\x00"s);
}

TEST(AppCallback, WritesHeadsThatDataEnds) {
  EXPECT_EQ(binding_answer_head(4) + "data", message({{4, "data"}}));
  const std::string large(70'000, 'x');
  EXPECT_EQ(invoke_answer_head("text/plain", large.size()) + large,
            message({{2, "text/plain"}, {1, message({{2, large}})}}));
  EXPECT_EQ(invoke_answer_head("", 0), message({{2, ""}, {1, message({{2, ""}})}}));
}

TEST(AppCallback, WritesSubscriptionsAndBindings) {
  Subscription plain{"pubsub", "orders", {{"", "/a"}}, {}, {}, {}};
  Subscription all{"p", "t", {{"event.type == \"x\"", "/b"}, {"", "/d"}}, "dead", {}, {{"rawPayload", "true"}}};
  all.bulk = Subscription::Bulk{10, std::chrono::milliseconds(1500)};
  EXPECT_EQ(subscriptions_message(std::vector{plain, all}),
            message({{1, message({{1, "pubsub"}, {2, "orders"}, {5, message({{2, "/a"}})}})},
                     {1, message({{1, "p"},
                                  {2, "t"},
                                  {3, entry("rawPayload", "true")},
                                  {5, message({{1, message({{1, "event.type == \"x\""}, {2, "/b"}})}, {2, "/d"}})},
                                  {6, "dead"},
                                  {7, flag(1, 1) + flag(2, 10) + flag(3, 1500)}})}}));
  EXPECT_EQ(subscriptions_message({}), "");
  const std::vector<std::string_view> names{"cron", "queue"};
  EXPECT_EQ(bindings_message(names), message({{1, "cron"}, {1, "queue"}}));
}

}  // namespace
}  // namespace trilby::triggers
