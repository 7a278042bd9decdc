#include "app/scheduled_job.h"

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

const std::string kValue = R"("@type":"type.googleapis.com/google.protobuf.Value", "value")";

TEST(ScheduledJobs, AreThoseWithASchedule) {
  App app;
  app.jobs.resize(2);
  app.jobs[0].name = "somebody's";
  app.jobs[1].name = "ours";
  app.jobs[1].schedule = "@daily";
  const auto made = scheduled_jobs(app);
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(job_document(made[0], false), R"({"schedule":"@daily","overwrite":false,"data":null})");
}

TEST(ScheduledJob, IsAsItIsToBeWhateverTheFormOfItsData) {
  const ScheduledJob job{"a", "@every 1m", R"({"n": 1, "list": ["x", true, null]})"};
  EXPECT_TRUE(is_scheduled_so("{\"name\":\"a\",  \"schedule\":\"@every 1m\", \"data\":{" + kValue +
                                  R"(:{"list":["\u0078",true,null],"n":1.0}},"failurePolicy":{"constant":{}}})",
                              job));
  EXPECT_TRUE(is_scheduled_so("{\"schedule\":\"@daily\",\"data\":{" + kValue + ":null}}", {"a", "@daily", "null"}));
}

TEST(ScheduledJob, IsNotWhatSaysAnythingElse) {
  const ScheduledJob job{"a", "@daily", "{}"};
  const std::string data = "\"data\":{" + kValue + ":{}}";
  ASSERT_TRUE(is_scheduled_so("{\"schedule\":\"@daily\"," + data + "}", job));
  for (const std::string& answer : std::vector<std::string>{
           "", "x", "[]", "{}", "{" + data + "}", R"({"schedule":"@daily"})", "{\"schedule\":7," + data + "}",
           "{\"schedule\":\"@hourly\"," + data + "}", "{\"schedule\":\"@daily\",\"data\":{" + kValue + ":[]}}",
           R"({"schedule":"@daily","data":{}})", R"({"schedule":"@daily","data":7})",
           "{\"schedule\":\"@daily\",\"repeats\":3," + data + "}",
           "{\"schedule\":\"@daily\",\"dueTime\":\"1s\"," + data + "}",
           "{\"schedule\":\"@daily\",\"ttl\":\"1s\"," + data + "}"}) {
    EXPECT_FALSE(is_scheduled_so(answer, job)) << answer;
  }
}

}  // namespace
}  // namespace trilby::app
