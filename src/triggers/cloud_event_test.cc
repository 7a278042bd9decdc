#include "triggers/cloud_event.h"

#include <gtest/gtest.h>

namespace trilby::triggers {
namespace {

Result<Event> read(std::string_view json) {
  const auto value = parse_json(json);
  return value ? read_cloud_event(*value) : Result<Event>(fail(value.error()));
}

std::string data_of(std::string_view json) {
  const auto event = read(json);
  return event ? event->data : event.error().message;
}

std::string variable(const Event& event, std::string_view name) {
  const std::string* value = event.variables.find(name);
  return value == nullptr ? "(none)" : *value;
}

// As daprd 1.18 writes them.
constexpr std::string_view kJson =
    R"({"data":{"order":1,"big":123456789012345678901},"datacontenttype":"application/json",)"
    R"("id":"5929aaac-a5e2-4ca1-859c-edfe73f11565","pubsubname":"pubsub","source":"shop","specversion":"1.0",)"
    R"("time":"2026-11-26T00:00:00Z","topic":"orders","traceid":"00-0-0-00","traceparent":"00-0-0-00","tracestate":"",)"
    R"("type":"com.dapr.event.sent"})";

TEST(CloudEvent, TellsItsAttributes) {
  const Event event = read(kJson).value();
  EXPECT_EQ(variable(event, "CE_ID"), "5929aaac-a5e2-4ca1-859c-edfe73f11565");
  EXPECT_EQ(variable(event, "CE_TYPE"), "com.dapr.event.sent");
  EXPECT_EQ(variable(event, "CE_SOURCE"), "shop");
  EXPECT_EQ(variable(event, "CE_TOPIC"), "orders");
  EXPECT_EQ(variable(event, "CE_PUBSUBNAME"), "pubsub");
  EXPECT_EQ(variable(event, "CE_DATACONTENTTYPE"), "application/json");
  EXPECT_EQ(variable(event, "CE_TRACESTATE"), "");
  EXPECT_EQ(event.variables.size(), 11U) << "data is none";
  EXPECT_EQ(event.content_type, "application/json");
}

TEST(CloudEvent, LeavesJsonDataAsItIs) {
  EXPECT_EQ(data_of(kJson), R"({"order":1,"big":123456789012345678901})");
  EXPECT_EQ(data_of(R"({"data" : "text" ,"datacontenttype":"application/json"})"), "\"text\"");
  EXPECT_EQ(data_of(R"({"data":"text"})"), "\"text\"") << "without a content type it is JSON";
  EXPECT_EQ(data_of(R"({"data":"t","datacontenttype":"Application/VND.x+JSON; charset=utf-8"})"), "\"t\"");
  EXPECT_EQ(data_of(R"({"data":[1, 2],"datacontenttype":"text/plain"})"), "[1, 2]");
  EXPECT_EQ(data_of(R"({"data":null})"), "null");
}

TEST(CloudEvent, DecodesTexts) {
  EXPECT_EQ(data_of(R"({"data":"a\n\"b\" \u00e9","datacontenttype":"text/plain"})"), "a\n\"b\" \xC3\xA9");
  EXPECT_EQ(data_of(R"({"datacontenttype":"application/xml","data":"<a/>"})"), "<a/>");
}

TEST(CloudEvent, DecodesBase64) {
  EXPECT_EQ(data_of(R"({"data_base64":"AAECAw==","datacontenttype":"application/octet-stream"})"),
            std::string("\0\1\2\3", 4));
  EXPECT_EQ(data_of(R"({"data_base64":"e30=","datacontenttype":"application/json"})"), "{}");
}

TEST(CloudEvent, MayHaveNoData) {
  EXPECT_EQ(data_of(R"({"id":"1"})"), "");
  EXPECT_EQ(data_of("{}"), "");
}

TEST(CloudEvent, TellsOnlyWhatTheSpecificationCallsAttributes) {
  const Event event =
      read(R"({"id":"1","n":-1.50,"b":true,"none":null,"list":[1],"object":{},"Upper":"x","with_score":"x","a b":"x",)"
           R"("":"x","path\u0000":"x"})")
          .value();
  EXPECT_EQ(variable(event, "CE_N"), "-1.50");
  EXPECT_EQ(variable(event, "CE_B"), "true");
  EXPECT_EQ(event.variables.size(), 3U);
}

TEST(CloudEvent, IsRefusedWhenItSaysTwoThings) {
  for (const std::string_view json :
       {R"({"id":"1","id":"2"})", R"({"data":1,"data":2})", R"({"data_base64":"","data_base64":""})",
        R"({"data":1,"data_base64":"AA=="})", R"({"id":"a\u0000b"})", R"({"data_base64":"*"})", R"({"data_base64":{}})",
        "[]", "\"{}\"", "null", "", "{"}) {
    const auto event = read(json);
    ASSERT_FALSE(event) << json;
    EXPECT_EQ(event.error().reason, Reason::BadRequest) << json;
  }
}

TEST(CloudEvent, MayNotHaveAttributesWithoutEnd) {
  std::string json = "{";
  for (int i = 0; i < 200; ++i) {
    json += "\"a" + std::to_string(i) + "\":\"x\",";
  }
  EXPECT_EQ(read(json + "\"id\":\"1\"}").error().reason, Reason::HeadTooLarge);
  EXPECT_EQ(read("{\"subject\":\"" + std::string(70'000, 'x') + "\"}").error().reason, Reason::HeadTooLarge);
}

TEST(BinaryEvent, HasItsAttributesInFields) {
  const Fields fields{{"Ce_id", "7"}, {"ce_type", "t"}, {"host", "h"}, {"Ce-Source", "s"}, {"pubsubName", "p"}};
  for (const std::string data : {"\x01\x02", "", "{\"id\":1}", "[]"}) {
    const Event event = read_delivered_event(fields, data).value();
    EXPECT_EQ(event.data, data);
    EXPECT_EQ(variable(event, "CE_ID"), "7");
    EXPECT_EQ(variable(event, "CE_TYPE"), "t");
    EXPECT_EQ(variable(event, "CE_SOURCE"), "s");
    EXPECT_EQ(event.variables.size(), 3U);
  }
  EXPECT_FALSE(read_delivered_event({{"ce_id", "1"}, {"ce-id", "2"}}, ""));
}

TEST(BinaryEvent, IsNotMadeOfACloudEventByAPublishersMetadata) {
  const Event event = read_delivered_event({{"ce_id", "forged"}}, std::string(kJson)).value();
  EXPECT_EQ(variable(event, "CE_ID"), "5929aaac-a5e2-4ca1-859c-edfe73f11565");
  EXPECT_EQ(read_delivered_event({}, std::string(kJson))->data, event.data);
  EXPECT_EQ(read_delivered_event({}, "\x01").error().reason, Reason::BadRequest);
}

Result<std::vector<BulkEntry>> bulk(std::string_view json) {
  return read_bulk(parse_json(json).value());
}

TEST(BulkEvents, AreReadOneByOne) {
  const std::string json =
      R"({"entries":[{"entryId":"a","event":{"id":"1","data":"x","datacontenttype":"text/plain"},"metadata":null},)"
      R"({"event":"AQI=","entryId":"b","contentType":"application/octet-stream","metadata":{}},)"
      R"({"entryId":"c","event":7}],"id":"e","metadata":null,"pubsubname":"p","topic":"t",)"
      R"("type":"com.dapr.event.sent.bulk"})";
  const auto entries = bulk(json).value();
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].id, "a");
  EXPECT_EQ(read_bulk_entry(entries[0])->data, "x");
  EXPECT_EQ(read_bulk_entry(entries[1])->data, "\x01\x02");
  EXPECT_EQ(variable(*read_bulk_entry(entries[1]), "CE_DATACONTENTTYPE"), "application/octet-stream");
  EXPECT_EQ(read_bulk_entry(entries[2]).error().reason, Reason::BadRequest);
}

TEST(BulkEvents, AreRefusedWithoutWhatTheirStatusIsSaidBy) {
  for (const std::string_view json :
       {"{}", "[]", R"({"entries":{}})", R"({"entries":[1]})", R"({"entries":[{"event":{}}]})",
        R"({"entries":[{"entryId":1,"event":{}}]})", R"({"entries":[{"entryId":"a"}]})",
        R"({"entries":[{"entryId":"a","entryId":"b","event":{}}]})", R"({"entries":[],"entries":[]})"}) {
    EXPECT_FALSE(bulk(json)) << json;
  }
  EXPECT_TRUE(bulk(R"({"entries":[]})")->empty());
}

TEST(BulkEvents, HaveAnEnd) {
  std::string json = "{\"entries\":[";
  for (std::size_t i = 0; i <= kMaxBulkEntries; ++i) {
    json += i == 0 ? "" : ",";
    json += R"({"entryId":"a","event":{}})";
  }
  EXPECT_EQ(bulk(json + "]}").error().reason, Reason::BadRequest);
}

Result<Event> change(std::string_view json, std::string_view key) {
  return read_configuration_change(parse_json(json).value(), key);
}

TEST(ConfigurationChange, GivesTheValueOfItsKey) {
  constexpr std::string_view kChange =
      R"({"id":"s","items":{"a":{"value":"1\n","version":"v2","metadata":{"region":"eu","n":1}},"b":{"value":"2"}}})";
  const Event event = change(kChange, "a").value();
  EXPECT_EQ(event.data, "1\n");
  EXPECT_EQ(variable(event, "DAPR_CONFIGURATION_VERSION"), "v2");
  EXPECT_EQ(variable(event, "DAPR_METADATA_REGION"), "eu");
  EXPECT_EQ(event.variables.size(), 2U);
  EXPECT_EQ(change(kChange, "b")->data, "2");
  EXPECT_EQ(change(kChange, "c")->data, "") << "it is not there any more";
}

TEST(ConfigurationChange, IsRefusedWithoutItems) {
  for (const std::string_view json :
       {"{}", "[]", R"({"items":[]})", R"({"items":{"a":1}})", R"({"items":{"a":{},"a":{}}})"}) {
    EXPECT_FALSE(change(json, "a")) << json;
  }
}

}  // namespace
}  // namespace trilby::triggers
