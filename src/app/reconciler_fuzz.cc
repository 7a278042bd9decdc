// What a sidecar, or whoever listens where one should, may answer to the questions about subscriptions and jobs.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "app/configuration_subscriptions.h"
#include "app/scheduled_job.h"
#include "base/json.h"
#include "base/json_reader.h"

namespace {

void require(bool fact) {
  if (!fact) {
    std::abort();
  }
}

/// What was read is left as a note, and read again.
void check(std::string_view metadata) {
  using namespace trilby;
  const auto noted = app::noted_subscriptions(metadata);
  const auto found = noted.value_or(std::vector<app::ConfigurationSubscription>());
  std::string again;
  JsonWriter(again)
      .open_object()
      .key("extended")
      .open_object()
      .member(app::kSubscriptionsNote, app::subscriptions_note(found))
      .close_object()
      .close_object();
  const auto read = app::noted_subscriptions(again);
  require(read.has_value());
  const auto& same = *read;
  require(same.size() == found.size() && found.size() <= 1000);
  for (std::size_t i = 0; i < found.size(); ++i) {
    require(found[i].is_about_the_same(same[i]) && found[i].id == same[i].id);
    require(!found[i].store.empty() && !found[i].id.empty() && found[i].keys.size() <= 1000);
    require(found[i].metadata.size() <= 32);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trilby;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto id = app::subscription_id(text);
  require(!id || (!id->empty() && id->size() <= 256));
  check(text);
  (void)app::is_scheduled_so(text, {"a", "@daily", R"({"n":[1,{"a":"b"}]})"});
  if (const auto value = parse_json(text); value && is_same_json(*value, *value)) {
    const app::ScheduledJob job{"a", "@daily", std::string(text)};
    const std::string kept = "{\"schedule\":\"@daily\",\"data\":{\"value\":" + std::string(value->raw()) + "}}";
    require(app::is_scheduled_so(kept, job));
  }
  std::string around;
  JsonWriter(around)
      .open_object()
      .key("extended")
      .open_object()
      .member(app::kSubscriptionsNote, text)
      .close_object()
      .close_object();
  check(around);
  return 0;
}
