#include "app/scheduled_job.h"

#include "base/json.h"
#include "base/json_reader.h"

namespace trilby::app {

std::vector<ScheduledJob> scheduled_jobs(const App& app) {
  std::vector<ScheduledJob> made;
  for (const JobTrigger& trigger : app.jobs) {
    if (!trigger.schedule.empty()) {
      made.push_back({trigger.name, trigger.schedule, trigger.data});
    }
  }
  return made;
}

std::string job_document(const ScheduledJob& job, bool overwrite) {
  std::string out;
  JsonWriter json(out);
  json.open_object().member("schedule", job.schedule).member("overwrite", overwrite).key("data");
  out += job.data;
  json.close_object();
  return out;
}

bool is_scheduled_so(std::string_view answer, const ScheduledJob& job) {
  const auto document = parse_json(answer);
  const auto wanted = parse_json(job.data);
  if (!document || !wanted || document->kind() != JsonValue::Kind::Object) {
    return false;
  }
  bool is_when = false;
  bool is_what = false;
  for (JsonCursor member(*document); member.next();) {
    const std::string key = member.key();
    const JsonValue value = member.value();
    if (key == "schedule") {
      is_when = value.kind() == JsonValue::Kind::Text && value.text() == job.schedule;
    } else if (key == "dueTime" || key == "ttl" || key == "repeats") {
      return false;  // it begins or ends at some time
    } else if (key == "data" && value.kind() == JsonValue::Kind::Object) {
      // {"@type":"type.googleapis.com/google.protobuf.Value","value":...}
      for (JsonCursor part(value); part.next();) {
        is_what = part.key() == "value" ? is_same_json(part.value(), *wanted) : is_what;
      }
    }
  }
  return is_when && is_what;
}

}  // namespace trilby::app
