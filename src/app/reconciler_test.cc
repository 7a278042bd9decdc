#include "app/reconciler.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "base/json.h"
#include "net/test_loop.h"

namespace trilby::app {
namespace {

using namespace std::chrono_literals;

/// A sidecar that keeps what it is asked for. It answers in the next turn of the loop, once `is_answering`.
class FakeSidecar final : public dapr::Arrangements {
 public:
  explicit FakeSidecar(net::Loop& loop) : loop_(loop) {}

  std::shared_ptr<void> read_metadata(dapr::Terms /*terms*/, dapr::Room /*room*/, OnAnswer done) override {
    ++looks;
    std::string text;
    JsonWriter json(text);
    json.open_object().member("id", "shop").key("extended").open_object();
    if (note) {
      json.member(kSubscriptionsNote, *note);
    }
    json.close_object().close_object();
    return answer("look", text, std::move(done));
  }
  std::shared_ptr<void> set_metadata(std::string_view name, SharedBytes value, dapr::Terms /*terms*/,
                                     OnDone done) override {
    EXPECT_EQ(name, kSubscriptionsNote);
    did.push_back("note");
    if (!refusals.contains("note")) {
      note = *value;
    }
    return answer("note", {}, [done](const auto& result) { done(result ? Result<void>() : fail(result.error())); });
  }
  std::shared_ptr<void> subscribe_configuration(std::string_view store, std::span<const std::string> keys,
                                                const dapr::Metadata& metadata, dapr::Terms /*terms*/,
                                                dapr::Room /*room*/, OnAnswer done) override {
    const std::string what(store);
    did.push_back("make " + what);
    if (refusals.contains(what)) {
      return answer(what, {}, std::move(done));
    }
    const std::string id = fmt::format("id{}", ++ids);
    live[id] = {what, {keys.begin(), keys.end()}, id, {metadata.begin(), metadata.end()}};
    if (on_make) {
      on_make();
    }
    return answer(what, fmt::format("{{\"id\":\"{}\"}}", id), std::move(done));
  }
  std::shared_ptr<void> unsubscribe_configuration(std::string_view store, std::string_view id, dapr::Terms /*terms*/,
                                                  OnDone done) override {
    const auto at = live.find(std::string(id));
    did.push_back(fmt::format("end {}", store));
    // One that is unknown is ended well, as Arrangements has it.
    if (at != live.end() && at->second.store == store && !refusals.contains("end")) {
      live.erase(at);
    }
    return answer("end", {}, [done](const auto& result) { done(result ? Result<void>() : fail(result.error())); });
  }

  std::shared_ptr<void> read_job(std::string_view name, dapr::Terms /*terms*/, dapr::Room /*room*/,
                                 OnAnswer done) override {
    ++job_looks;
    const auto at = jobs.find(std::string(name));
    if (at == jobs.end()) {
      return answer("unknown", {}, std::move(done));
    }
    return answer("read " + std::string(name), at->second, std::move(done));
  }
  std::shared_ptr<void> set_job(std::string_view name, SharedBytes what, dapr::Terms /*terms*/,
                                dapr::BuildingBlocks::OnChange done) override {
    asked.push_back(fmt::format("{} {}", name, *what));
    asked_in.push_back(looks);
    const bool taken = jobs.contains(std::string(name)) && what->find("\"overwrite\":true") == std::string::npos;
    const std::string key(name);
    if (!taken && !refusals.contains(key)) {
      jobs[key] = R"({"schedule":"@daily","data":{"value":1}})";
    }
    return answer(key, {}, [done, taken](const auto& result) {
      const auto change = taken ? dapr::Change::Conflict : dapr::Change::Made;
      done(result ? Result<dapr::Change>(change) : fail(result.error()));
    });
  }

  /// "settings a,b, limits *", by age.
  [[nodiscard]] std::string standing() const {
    std::string out;
    for (const auto& [id, one] : live) {
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", one.store, one.keys.empty() ? "*" : one.keys.front());
    }
    return out;
  }
  /// Its process has ended, and another took its place.
  void begin_anew() {
    note.reset();
    live.clear();
  }

  std::map<std::string, std::string> refusals;  // by store, "look", "note" or "end": what it says instead
  std::string lost;                             // a store: it does what it is asked, and its answer is lost
  std::string stuck;                            // the same, and no answer ever comes
  std::vector<std::string> did;                 // "make settings", "end settings", "note"
  std::optional<std::string> note;
  std::map<std::string, ConfigurationSubscription> live;
  std::map<std::string, std::string> jobs;  // by name, what the scheduler has
  std::vector<std::string> asked;           // of it
  std::vector<int> asked_in;                // in which look each of them
  std::function<void()> on_make;            // runs within
  int looks = 0;
  int job_looks = 0;
  int ids = 0;

 private:
  std::shared_ptr<void> answer(const std::string& what, std::string text, OnAnswer done) {
    const auto refusal = refusals.find(what);
    Result<std::optional<WholeBody>> result = std::optional(WholeBody{std::move(text), {}});
    if (what == "unknown" || refusal != refusals.end()) {
      result = fail(Reason::UpstreamFailed, "the sidecar refuses: {}", what == "unknown" ? what : refusal->second);
    }
    if (!lost.empty() && what == lost) {
      result = fail(Reason::UpstreamFailed, "the sidecar does not answer");
    }
    auto later = std::make_shared<net::Deferred>(loop_);
    if (!stuck.empty() && what == stuck) {
      return later;
    }
    auto kept = std::make_shared<Result<std::optional<WholeBody>>>(std::move(result));
    later->start([done = std::move(done), kept] { done(std::move(*kept)); });
    return later;
  }

  net::Loop& loop_;
};

const std::vector<ConfigurationSubscription> kBoth = {{"limits", {}, {}}, {"settings", {"a", "b"}, {}}};

class ReconcilerTest : public testing::Test {
 protected:
  ReconcilerTest() {
    testing::internal::CaptureStderr();
    thread = std::thread([this] { loop.run(); });
  }
  ~ReconcilerTest() override {
    on_loop([this] { reconciler.reset(); });
    loop.stop();
    thread.join();
    if (!is_read) {
      (void)testing::internal::GetCapturedStderr();
    }
  }

  void on_loop(const std::function<void()>& work) { net::run_on(loop, work); }
  void start(std::vector<ConfigurationSubscription> needed, Duration patience = 1h) {
    start_with({std::move(needed), {}}, patience);
  }
  void start_with(SidecarNeeds needs, Duration patience = 1h) {
    on_loop([&] {
      reconciler.reset();
      reconciler.emplace(loop, sidecar, "shop", std::move(needs), paced(patience));
      reconciler->start();
    });
  }
  static ReconcilerPace paced(Duration patience = 1h) {
    return {.look = 1ms, .failing = Backoff(1ms, 1ms), .patience = patience, .unscheduled = Backoff(1ms, 1ms)};
  }
  bool wait_until(const std::function<bool()>& condition) { return net::wait_until(loop, condition); }
  /// Waits until it has looked two times more: what the first saw has been dealt with.
  void let_it_look() {
    int before = 0;
    on_loop([&] { before = sidecar.looks; });
    EXPECT_TRUE(wait_until([&] { return sidecar.looks >= before + 2; }));
  }
  /// Waits for as long as one that goes on takes for a few looks.
  void let_others_look() {
    FakeSidecar other(loop);
    std::optional<Reconciler> going_on;
    on_loop([&] {
      going_on.emplace(loop, other, "other", SidecarNeeds{kBoth, {}}, ReconcilerPace{.look = 1ms});
      going_on->start();
    });
    EXPECT_TRUE(wait_until([&] { return other.looks >= 5; }));
    on_loop([&] { going_on.reset(); });
  }
  std::string standing() {
    let_it_look();
    std::string out;
    on_loop([&] { out = sidecar.standing(); });
    return out;
  }
  /// How often the log has this, once everything has ended.
  std::size_t said(const std::string& text) {
    if (!is_read) {
      on_loop([this] { reconciler.reset(); });
      is_read = true;
      log_text = testing::internal::GetCapturedStderr();
    }
    std::size_t count = 0;
    for (std::size_t at = log_text.find(text); at != std::string::npos; at = log_text.find(text, at + 1)) {
      ++count;
    }
    return count;
  }

  net::Loop loop;
  FakeSidecar sidecar{loop};
  std::optional<Reconciler> reconciler;
  std::thread thread;
  bool is_read = false;
  std::string log_text;
};

TEST_F(ReconcilerTest, MakesWhatIsNeededOnce) {
  start(kBoth);
  EXPECT_EQ(standing(), "limits *, settings a");
  EXPECT_EQ(standing(), "limits *, settings a");
  on_loop([&] { EXPECT_EQ(sidecar.ids, 2); });
  EXPECT_EQ(said("changes of configuration are subscribed to"), 1U) << log_text;
}

TEST_F(ReconcilerTest, GoesOnWithWhatAnotherWorkerMade) {
  start(kBoth);
  (void)standing();
  start(kBoth);  // as after a death
  EXPECT_EQ(standing(), "limits *, settings a");
  on_loop([&] { EXPECT_EQ(sidecar.ids, 2) << "no change was missed, and none is told twice"; });
}

TEST_F(ReconcilerTest, EndsWhatNobodyNeedsAnyMore) {
  start(kBoth);
  (void)standing();
  start({{"settings", {"a"}, {}}});
  EXPECT_EQ(standing(), "settings a");
  on_loop([&] { EXPECT_EQ(sidecar.live.begin()->second.keys.size(), 1U); });
  start({});
  EXPECT_TRUE(wait_until([&] { return sidecar.live.empty() && sidecar.note == "[]"; }));
}

TEST_F(ReconcilerTest, AKeyThatStaysIsListenedToAllTheTime) {
  start({{"settings", {"limit", "colour"}, {}}});
  (void)standing();
  on_loop([&] { sidecar.did.clear(); });
  start({{"settings", {"limit", "shape"}, {}}});
  EXPECT_EQ(standing(), "settings limit");
  on_loop([&] {
    EXPECT_EQ(sidecar.did, (std::vector<std::string>{"make settings", "note", "note", "end settings"}));
    EXPECT_EQ(sidecar.live.begin()->second.keys.back(), "shape");
    sidecar.refusals["settings"] = "500 ERR_CONFIGURATION_SUBSCRIBE";
  });
  start({{"settings", {"limit"}, {}}});
  (void)standing();
  on_loop([&] {
    ASSERT_EQ(sidecar.live.size(), 1U) << "what cannot be replaced goes on";
    EXPECT_EQ(sidecar.live.begin()->second.keys.size(), 2U);
    sidecar.refusals.clear();
  });
  EXPECT_TRUE(wait_until([&] { return sidecar.live.size() == 1 && sidecar.live.begin()->second.keys.size() == 1; }));
}

TEST_F(ReconcilerTest, MakesAnotherWhereTheMetadataAreOthers) {
  start({{"settings", {"a"}, {}, {{"notifyChannel", "one"}}}});
  (void)standing();
  start({{"settings", {"a"}, {}, {{"notifyChannel", "two"}}}});
  EXPECT_EQ(standing(), "settings a");
  on_loop([&] {
    EXPECT_EQ(sidecar.ids, 2);
    EXPECT_EQ(sidecar.live.begin()->second.metadata.at("notifyChannel"), "two");
  });
}

TEST_F(ReconcilerTest, OneThatCannotBeEndedStaysInTheNote) {
  start(kBoth);
  (void)standing();
  on_loop([&] { sidecar.refusals["end"] = "500"; });
  start({{"settings", {"a", "b"}, {}}});
  (void)standing();
  start({{"settings", {"a", "b"}, {}}});  // another worker knows it by the note alone
  (void)standing();
  on_loop([&] {
    EXPECT_EQ(sidecar.live.size(), 2U);
    sidecar.refusals.clear();
  });
  EXPECT_TRUE(wait_until([&] { return sidecar.live.size() == 1; }));
  on_loop([&] { EXPECT_EQ(sidecar.ids, 2); });
}

TEST_F(ReconcilerTest, SaysOnceThatOneCannotBeEnded) {
  start(kBoth);
  (void)standing();
  on_loop([&] { sidecar.refusals["end"] = "500 for some reason"; });
  start({{"settings", {"a", "b"}, {}}});
  (void)standing();
  on_loop([&] { sidecar.refusals = {{"look", "away"}}; });
  let_it_look();
  on_loop([&] { sidecar.refusals = {{"end", "500 for some reason"}}; });
  (void)standing();
  EXPECT_EQ(said("subscriptions to changes of configuration are not ended"), 1U) << log_text;
  EXPECT_EQ(said("500 for some reason"), 1U) << log_text;
  EXPECT_EQ(said("of=limits"), 1U) << log_text;
}

TEST_F(ReconcilerTest, LooksOnceWhereNothingIsNeededAndNothingIsLeft) {
  start({});
  let_others_look();
  on_loop([&] {
    EXPECT_EQ(sidecar.looks, 1);
    EXPECT_FALSE(sidecar.note) << "which there is no need for";
  });
}

TEST_F(ReconcilerTest, LooksUntilNothingIsLeftWhereNothingIsNeeded) {
  start(kBoth);
  (void)standing();
  on_loop([&] { sidecar.refusals["look"] = "away"; });
  start({});
  let_it_look();
  on_loop([&] { sidecar.refusals = {{"end", "500"}}; });
  let_it_look();
  on_loop([&] {
    EXPECT_EQ(sidecar.live.size(), 2U);
    sidecar.refusals.clear();
  });
  EXPECT_TRUE(wait_until([&] { return sidecar.live.empty() && sidecar.note == "[]"; }));
}

TEST_F(ReconcilerTest, LooksABoundedNumberOfTimesWhereNothingIsNeeded) {
  on_loop([&] {
    sidecar.refusals["look"] = "away";
    reconciler.emplace(loop, sidecar, "shop", SidecarNeeds{},
                       ReconcilerPace{.look = 1ms, .failing = Backoff(1us, 1us), .patience = 0s, .farewells = 3});
    reconciler->start();
  });
  EXPECT_TRUE(wait_until([&] { return sidecar.looks == 3; }));
  let_others_look();
  on_loop([&] { EXPECT_EQ(sidecar.looks, 3); });
  EXPECT_EQ(said("changes of configuration are not brought"), 0U) << log_text;
}

TEST_F(ReconcilerTest, MakesThemAgainWithASidecarThatIsNew) {
  start(kBoth);
  (void)standing();
  on_loop([&] { sidecar.begin_anew(); });
  EXPECT_EQ(standing(), "limits *, settings a");
  on_loop([&] { EXPECT_EQ(sidecar.ids, 4); });
}

TEST_F(ReconcilerTest, MakesWhatIsWellWhileAStoreIsMissing) {
  sidecar.refusals["limits"] = "400 ERR_CONFIGURATION_STORE_NOT_FOUND";
  start(kBoth);
  EXPECT_EQ(standing(), "settings a");
  (void)standing();
  on_loop([&] { sidecar.refusals.clear(); });
  EXPECT_EQ(standing(), "settings a, limits *");
  on_loop([&] { sidecar.refusals["limits"] = "400 ERR_CONFIGURATION_STORE_NOT_FOUND"; });
  on_loop([&] { sidecar.begin_anew(); });
  (void)standing();
  EXPECT_EQ(said("changes of configuration are not brought"), 2U) << "once each time that it changes\n" << log_text;
  EXPECT_EQ(said("ERR_CONFIGURATION_STORE_NOT_FOUND"), 2U) << log_text;
  EXPECT_EQ(said("changes of configuration are subscribed to"), 1U) << log_text;
}

TEST_F(ReconcilerTest, IsPatientWithASidecarThatIsNotThereYet) {
  sidecar.refusals["look"] = "nobody listens";
  start(kBoth);
  let_it_look();
  on_loop([&] { sidecar.refusals.clear(); });
  EXPECT_EQ(standing(), "limits *, settings a");
  EXPECT_EQ(said("changes of configuration are not brought"), 0U) << log_text;
}

TEST_F(ReconcilerTest, SaysOnceThatASidecarIsAwayForLong) {
  sidecar.refusals["look"] = "nobody listens";
  start(kBoth, 0s);
  let_it_look();
  let_it_look();
  EXPECT_EQ(said("changes of configuration are not brought"), 1U) << log_text;
}

TEST_F(ReconcilerTest, MakesNothingWhereNoNoteCanBeLeft) {
  sidecar.refusals["note"] = "403 ERR_FORBIDDEN";
  start(kBoth);
  (void)standing();
  on_loop([&] { EXPECT_EQ(sidecar.ids, 0) << "nobody could end it"; });
  EXPECT_EQ(said("403 ERR_FORBIDDEN"), 1U) << log_text;
}

TEST_F(ReconcilerTest, LeavesTheNoteAndNothingElseOnceThatIsPossible) {
  start({{"limits", {}, {}}});
  (void)standing();
  on_loop([&] {
    sidecar.refusals["note"] = "500";
    sidecar.did.clear();
  });
  start(kBoth);
  (void)standing();
  on_loop([&] {
    EXPECT_EQ(std::count(sidecar.did.begin(), sidecar.did.end(), "make settings"), 1);
    EXPECT_EQ(std::count(sidecar.did.begin(), sidecar.did.end(), "make limits"), 0);
    EXPECT_EQ(std::count(sidecar.did.begin(), sidecar.did.end(), "end settings"), 0);
    EXPECT_EQ(sidecar.note->find("settings"), std::string::npos);
    sidecar.refusals.clear();
  });
  EXPECT_TRUE(wait_until([&] { return sidecar.note->find("settings") != std::string::npos; }));
  EXPECT_EQ(standing(), "limits *, settings a");
  on_loop([&] { EXPECT_EQ(sidecar.ids, 2); });
}

TEST_F(ReconcilerTest, MakesNoMoreAndMoreWhereAnswersAreLost) {
  on_loop([&] {
    sidecar.lost = "limits";
    reconciler.emplace(loop, sidecar, "shop", SidecarNeeds{kBoth, {}},
                       ReconcilerPace{.look = 1ms, .failing = Backoff(1ms, 1ms), .lost = Backoff(1h, 1h)});
    reconciler->start();
  });
  (void)standing();
  (void)standing();
  on_loop([&] {
    EXPECT_EQ(std::count(sidecar.did.begin(), sidecar.did.end(), "make limits"), 1);
    EXPECT_EQ(std::count(sidecar.did.begin(), sidecar.did.end(), "make settings"), 1);
    sidecar.lost.clear();
    sidecar.begin_anew();
  });
  EXPECT_EQ(standing(), "limits *, settings a") << "one that is new has nothing of it";
}

TEST_F(ReconcilerTest, EndsWhatTwoWorkersMadeAtOnce) {
  start(kBoth);
  (void)standing();
  on_loop([&] {  // the other one's note came later
    sidecar.live["x1"] = {"limits", {}, "x1"};
    sidecar.live["x2"] = {"settings", {"a", "b"}, "x2"};
    sidecar.note = subscriptions_note(std::vector{sidecar.live["x1"], sidecar.live["x2"]});
  });
  EXPECT_EQ(standing(), "limits *, settings a");
  on_loop([&] { EXPECT_TRUE(sidecar.live.contains("x1") && sidecar.live.contains("x2")); });
}

TEST_F(ReconcilerTest, MakesAgainWhatSomebodyElseHasEnded) {
  start(kBoth);
  (void)standing();
  on_loop([&] {
    sidecar.live.clear();
    sidecar.note = "[]";
  });
  EXPECT_EQ(standing(), "limits *, settings a");
  on_loop([&] { EXPECT_EQ(sidecar.ids, 4); });
}

TEST_F(ReconcilerTest, NoNoteSaysWhatMayHaveEnded) {
  start(kBoth);
  (void)standing();
  on_loop([&] { sidecar.stuck = "end"; });  // it ends, and nobody is told
  start({{"settings", {"a", "b"}, {}}});
  EXPECT_TRUE(wait_until([&] { return sidecar.live.size() == 1; }));
  bool settled = false;
  on_loop([&] { reconciler->stop([&] { settled = true; }); });
  let_others_look();
  on_loop([&] {
    EXPECT_FALSE(settled);
    reconciler->abandon();
    EXPECT_EQ(sidecar.note->find("limits"), std::string::npos) << "or the next worker would take it for standing";
    sidecar.stuck.clear();
  });
  start(kBoth);
  EXPECT_EQ(standing(), "settings a, limits *");
}

TEST_F(ReconcilerTest, WhatCouldNotBeEndedIsInTheNoteOnceItIsStopped) {
  start(kBoth);
  (void)standing();
  on_loop([&] { sidecar.refusals["end"] = "500"; });
  start({{"settings", {"a", "b"}, {}}});
  let_it_look();
  bool settled = false;
  on_loop([&] { reconciler->stop([&] { settled = true; }); });
  EXPECT_TRUE(wait_until([&] { return settled; }));
  on_loop([&] { EXPECT_NE(sidecar.note->find("limits"), std::string::npos); });
}

const ScheduledJob kJob{"nightly", "@daily", "1"};

TEST_F(ReconcilerTest, SchedulesAJobThatIsMissingAndLooksNoMore) {
  start_with({{}, {kJob}});
  let_others_look();
  on_loop([&] {
    EXPECT_EQ(sidecar.asked, std::vector<std::string>{R"(nightly {"schedule":"@daily","overwrite":false,"data":1})"});
    EXPECT_EQ(sidecar.looks, 1);
    EXPECT_FALSE(sidecar.note);
  });
  EXPECT_EQ(said("a job is scheduled"), 1U) << log_text;
}

TEST_F(ReconcilerTest, LeavesAJobAloneThatIsAsItIsToBe) {
  sidecar.jobs["nightly"] = R"({"name":"nightly", "schedule":"@daily", "data":{"@type":"t", "value":1.0}})";
  start_with({kBoth, {kJob}});
  (void)standing();
  on_loop([&] {
    EXPECT_TRUE(sidecar.asked.empty()) << "its schedule would begin anew";
    EXPECT_EQ(sidecar.job_looks, 1);
  });
}

TEST_F(ReconcilerTest, OverwritesAJobThatIsAnother) {
  sidecar.jobs["nightly"] = R"({"schedule":"@hourly","data":{"value":1}})";
  start_with({{}, {kJob}});
  let_others_look();
  on_loop([&] {
    EXPECT_EQ(sidecar.asked, std::vector<std::string>{R"(nightly {"schedule":"@daily","overwrite":true,"data":1})"});
  });
}

TEST_F(ReconcilerTest, OverwritesNothingThatItCannotSee) {
  sidecar.jobs["nightly"] = "{}";
  sidecar.refusals["read nightly"] = "500 DAPR_SCHEDULER_GET_JOB";
  start_with({{}, {kJob}});
  let_it_look();
  on_loop([&] {
    EXPECT_EQ(sidecar.jobs["nightly"], "{}");
    EXPECT_EQ(sidecar.asked.front(), R"(nightly {"schedule":"@daily","overwrite":false,"data":1})");
    sidecar.refusals.clear();
  });
  EXPECT_TRUE(wait_until([&] { return sidecar.jobs["nightly"] != "{}"; }));
}

TEST_F(ReconcilerTest, SchedulesTheOthersWhileOneIsRefused) {
  sidecar.refusals["nightly"] = "500 DAPR_SCHEDULER_SCHEDULE_JOB";
  start_with({{}, {kJob, {"weekly", "@weekly", "1"}}});
  EXPECT_TRUE(wait_until([&] { return sidecar.jobs.size() == 1; }));
  let_it_look();
  on_loop([&] { EXPECT_TRUE(sidecar.jobs.contains("weekly")); });
  EXPECT_EQ(said("jobs are not scheduled"), 1U) << log_text;
}

TEST_F(ReconcilerTest, AJobThatIsRefusedWaitsEverLongerWhileChangesAreBrought) {
  sidecar.refusals["nightly"] = "400 ERR_JOBS";
  ReconcilerPace pace = paced();
  pace.unscheduled = Backoff(1h, 1h);
  on_loop([&] {
    reconciler.emplace(loop, sidecar, "shop", SidecarNeeds{kBoth, {kJob}}, pace);
    reconciler->start();
  });
  EXPECT_EQ(standing(), "limits *, settings a");
  let_it_look();
  on_loop([&] {
    EXPECT_EQ(sidecar.asked.size(), 1U);
    EXPECT_EQ(sidecar.job_looks, 1);
    sidecar.refusals = {{"look", "nobody listens"}};
  });
  let_it_look();
  on_loop([&] {
    EXPECT_EQ(sidecar.asked.size(), 1U);
    sidecar.refusals.clear();
  });
  EXPECT_TRUE(wait_until([&] { return sidecar.jobs.contains("nightly"); }))
      << "a sidecar that may be new is asked anew";
  EXPECT_EQ(said("jobs are not scheduled"), 1U) << log_text;
}

TEST_F(ReconcilerTest, OneThatTakesLongHoldsUpNoneBehindIt) {
  sidecar.refusals = {{"nightly", "no answer"}, {"hourly", "no answer"}};
  ReconcilerPace pace = paced();
  pace.long_look = Duration(-1);
  on_loop([&] {
    reconciler.emplace(loop, sidecar, "shop",
                       SidecarNeeds{{}, {kJob, {"hourly", "@hourly", "1"}, {"weekly", "@weekly", "1"}}}, pace);
    reconciler->start();
  });
  EXPECT_TRUE(wait_until([&] { return sidecar.jobs.contains("weekly"); }));
  on_loop([&] {
    EXPECT_EQ(sidecar.asked_in[1], 2) << "each look ends with the first that fails";
    EXPECT_EQ(sidecar.asked_in[2], 3);
    sidecar.refusals.clear();
  });
  EXPECT_TRUE(wait_until([&] { return sidecar.jobs.size() == 3; }));
}

TEST_F(ReconcilerTest, SaysOnceForEachJobWhyItIsRefusedAndOnceMoreInOtherWords) {
  sidecar.refusals = {{"nightly", "400 wrong data"}, {"hourly", "400 wrong data"}, {"weekly", "500 nobody knows"}};
  start_with({{}, {kJob, {"hourly", "@hourly", "1"}, {"weekly", "@weekly", "1"}}});
  let_it_look();
  let_it_look();
  on_loop([&] { sidecar.refusals["weekly"] = "400 wrong time"; });
  let_it_look();
  let_it_look();
  on_loop([&] { sidecar.refusals.erase("hourly"); });
  let_it_look();
  EXPECT_EQ(said("jobs are not scheduled"), 3U) << log_text;
  for (const std::string why : {"400 wrong data", "500 nobody knows", "400 wrong time"}) {
    EXPECT_EQ(said(why), 1U) << log_text;
  }
}

TEST_F(ReconcilerTest, TriesAgainWhileTheSchedulerRefusesAndChangesAreBroughtMeanwhile) {
  sidecar.refusals["nightly"] = "500 DAPR_SCHEDULER_SCHEDULE_JOB";
  start_with({kBoth, {kJob, {"weekly", "@weekly", "1"}}});
  EXPECT_EQ(standing(), "limits *, settings a");
  on_loop([&] {
    EXPECT_FALSE(sidecar.jobs.contains("nightly"));
    sidecar.refusals.clear();
  });
  EXPECT_TRUE(wait_until([&] { return sidecar.jobs.size() == 2; }));
  let_it_look();
  EXPECT_EQ(said("jobs are not scheduled"), 1U) << log_text;
  EXPECT_EQ(said("changes of configuration are not brought"), 0U) << log_text;
}

TEST_F(ReconcilerTest, BeginsNothingOnceItIsStopped) {
  start(kBoth);
  (void)standing();
  bool settled = false;
  on_loop([&] { reconciler->stop([&] { settled = true; }); });
  int looks = 0;
  on_loop([&] {
    EXPECT_TRUE(settled) << "for nothing has to be waited for";
    sidecar.begin_anew();
    looks = sidecar.looks;
    reconciler->start();  // which was on its way
  });
  let_others_look();
  on_loop([&] { EXPECT_EQ(sidecar.looks, looks); });
}

TEST_F(ReconcilerTest, LeavesItsNoteBeforeItIsSettledAndMakesNoMore) {
  bool settled = false;
  on_loop([&] { sidecar.on_make = [&] { reconciler->stop([&] { settled = true; }); }; });
  start(kBoth);
  EXPECT_TRUE(wait_until([&] { return settled; }));
  let_others_look();
  on_loop([&] {
    EXPECT_EQ(sidecar.did, (std::vector<std::string>{"note", "make limits", "note"}));
    EXPECT_NE(sidecar.note->find("limits"), std::string::npos);
  });
}

TEST_F(ReconcilerTest, EndsNothingAndSchedulesNothingOnceItIsStopped) {
  start(kBoth);
  (void)standing();
  bool settled = false;
  on_loop([&] {
    sidecar.did.clear();
    sidecar.on_make = [&] { reconciler->stop([&] { settled = true; }); };
  });
  start_with({{{"settings", {"c"}, {}}}, {kJob}});
  EXPECT_TRUE(wait_until([&] { return settled; }));
  let_others_look();
  on_loop([&] {
    EXPECT_EQ(sidecar.did, (std::vector<std::string>{"make settings", "note"}));
    EXPECT_TRUE(sidecar.asked.empty());
    EXPECT_EQ(sidecar.live.size(), 3U) << "the next worker finds them in the note";
  });
}

TEST_F(ReconcilerTest, LeavesANoteThatWasRefusedOnceMoreWhenItIsStopped) {
  start({{"limits", {}, {}}});
  (void)standing();
  on_loop([&] { sidecar.refusals["note"] = "500"; });
  start(kBoth);
  (void)standing();
  bool settled = false;
  on_loop([&] {
    sidecar.refusals.clear();
    reconciler->stop([&] { settled = true; });
  });
  EXPECT_TRUE(wait_until([&] { return settled; }));
  on_loop([&] { EXPECT_NE(sidecar.note->find("settings"), std::string::npos); });
}

TEST_F(ReconcilerTest, DoesNotWaitForWhatItOnlyReads) {
  on_loop([&] { sidecar.stuck = "look"; });
  start(kBoth);
  bool settled = false;
  on_loop([&] { reconciler->stop([&] { settled = true; }); });
  on_loop([&] { EXPECT_TRUE(settled); });
}

TEST_F(ReconcilerTest, WaitsForWhatItChangesUntilThatIsAbandoned) {
  on_loop([&] { sidecar.stuck = "limits"; });
  start(kBoth);
  EXPECT_TRUE(wait_until([&] { return sidecar.ids == 1; }));
  bool settled = false;
  on_loop([&] { reconciler->stop([&] { settled = true; }); });
  let_others_look();
  on_loop([&] {
    EXPECT_FALSE(settled);
    reconciler->abandon();
  });
  let_others_look();
  on_loop([&] { EXPECT_EQ(sidecar.did, (std::vector<std::string>{"note", "make limits"})); });
}

}  // namespace
}  // namespace trilby::app
