#include "app/worker_lockdown.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

namespace fs = std::filesystem;

Route files(const fs::path& root) {
  Route route;
  route.target = FilesTarget{root};
  return route;
}

TEST(WorkerLockdown, NeedsTheFoldersOfTheFilesThatAreServedEachOnce) {
  const fs::path folder = fs::canonical(fs::temp_directory_path()) / "worker-lockdown-test";
  fs::create_directories(folder / "web" / "static");
  std::ofstream(folder / "web" / "index.html") << "page";
  Manifest manifest;
  manifest.apps.resize(2);
  manifest.apps[0].routes = {files(folder / "web" / "index.html"), files(folder / "web" / "static")};
  manifest.apps[0].routes.emplace_back().target = TextTarget{"text"};
  manifest.apps[1].routes = {files(folder / "web" / ".." / "web" / "static")};
  const LockdownNeeds needs = make_lockdown_needs(manifest);
  EXPECT_EQ(needs.read, (std::vector{folder / "web", folder / "web" / "static"}));
  EXPECT_TRUE(needs.read_write.empty());
  EXPECT_TRUE(needs.connect_ports.empty());
  fs::remove_all(folder);
}

TEST(WorkerLockdown, NeedsTheDirectoriesThatFunctionsAreGranted) {
  const fs::path folder = fs::canonical(fs::temp_directory_path()) / "worker-lockdown-directories";
  fs::create_directories(folder / "data");
  fs::create_directories(folder / "out");
  fs::create_directory_symlink("out", folder / "link");
  Manifest manifest;
  manifest.functions.resize(2);
  manifest.functions[0].policy.grants.directories = {{folder / "data", "/data", false},
                                                     {folder / "link", "/out", true}};
  manifest.functions[1].policy.grants.directories = {{folder / "data", "/", false}, {folder / "out", "/out", false}};
  const LockdownNeeds needs = make_lockdown_needs(manifest);
  EXPECT_EQ(needs.read, (std::vector{folder / "data", folder / "out"}));
  EXPECT_EQ(needs.read_write, (std::vector{folder / "out"}));
  fs::remove_all(folder);
}

TEST(WorkerLockdown, ReachesSidecarsAndNothingElse) {
  Manifest manifest;
  manifest.apps.resize(3);
  EXPECT_TRUE(make_lockdown_needs(manifest).connect_ports.empty());
  manifest.apps[0].sidecar.emplace().http = 3500;
  manifest.apps[2].sidecar.emplace().http = 3502;
  EXPECT_EQ(make_lockdown_needs(manifest).connect_ports, (std::vector<std::uint16_t>{3500, 3502}));
}

TEST(WorkerLockdown, NeedsNativeCodeForModelsOnly) {
  Manifest manifest;
  EXPECT_FALSE(make_lockdown_needs(manifest).native_code);
  manifest.models.emplace_back();
  EXPECT_TRUE(make_lockdown_needs(manifest).native_code);
}

TEST(WorkerLockdown, CanBeSwitchedOff) {
  Manifest manifest;
  manifest.worker.lockdown = WorkerSettings::Lockdown::Off;
  const auto state = lock_worker_down(manifest);  // this very process
  ASSERT_TRUE(state);
  EXPECT_FALSE((*state)[Layer::Seccomp].on);
  EXPECT_EQ((*state)[Layer::Seccomp].detail, "worker.lockdown = \"off\"");
  EXPECT_TRUE(std::ofstream("/dev/null").good());
}

}  // namespace
}  // namespace trilby::app
