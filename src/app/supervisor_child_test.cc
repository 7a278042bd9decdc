#include "app/supervisor_child.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/socket.h"

namespace trilby::app {
namespace {

struct Ended {
  int status = -1;
  std::string output;
};

/// Runs a script of the shell to its end.
Ended run(const std::string& script, Child child = {}) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const net::Socket read_end(ends[0]);
  net::Socket write_end(ends[1]);
  child.program = child.program.empty() ? "/bin/sh" : child.program;
  child.arguments = {"sh", "-c", script};
  child.output = write_end.get();
  Ended ended;
  const pid_t pid = start_child(std::move(child)).value();
  write_end.close();
  std::array<char, 512> piece;
  for (ssize_t count = 0; (count = read(read_end.get(), piece.data(), piece.size())) > 0;) {
    ended.output.append(piece.data(), static_cast<std::size_t>(count));
  }
  EXPECT_EQ(waitpid(pid, &ended.status, 0), pid);
  return ended;
}

TEST(Child, WritesWhereItIsTold) {
  const Ended ended = run("echo out; echo err >&2; exit 7");
  EXPECT_EQ(ended.output, "out\nerr\n");
  EXPECT_EQ(WEXITSTATUS(ended.status), 7);
}

TEST(Child, HasNothingOpenButWhatItIsGiven) {
  const net::Socket kept(open("/dev/null", O_RDONLY));
  const net::Socket given(open("/dev/null", O_RDONLY | O_CLOEXEC));
  Child child;
  child.inherited = {given.get()};
  const std::string look = "for n in " + std::to_string(kept.get()) + " " + std::to_string(given.get()) +
                           "; do [ -e /proc/$$/fd/$n ] && echo $n; done";
  EXPECT_EQ(run(look, child).output, std::to_string(given.get()) + "\n");
}

TEST(Child, HasOurEnvironmentUnderItsOwn) {
  setenv("CHILD_TEST_KEPT", "kept", 1);
  setenv("CHILD_TEST_CHANGED", "before", 1);
  Child child;
  child.variables = {"CHILD_TEST_CHANGED=after", "CHILD_TEST_NEW=new"};
  EXPECT_EQ(run("echo $CHILD_TEST_KEPT $CHILD_TEST_CHANGED $CHILD_TEST_NEW", child).output, "kept after new\n");
}

TEST(Child, IgnoresWhatATerminalSendsUnlessItIsInAGroupOfItsOwn) {
  EXPECT_EQ(run("kill -INT $$; kill -TERM $$; kill -HUP $$; echo alive").output, "alive\n");
  Child child;
  child.own_group = true;
  const Ended ended = run("kill -TERM $$; echo alive", child);
  EXPECT_EQ(ended.output, "");
  EXPECT_TRUE(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGTERM);
  const std::string group_is_pid = R"(read -r line < /proc/$$/stat; set -- ${line##*) }; [ "$3" = $$ ] && echo own)";
  EXPECT_EQ(run(group_is_pid, child).output, "own\n");
  EXPECT_EQ(run(group_is_pid).output, "");
}

TEST(Child, ThatCannotBeExecutedSaysSo) {
  Child child;
  child.program = "/nowhere/daprd";
  const Ended ended = run("", child);
  EXPECT_EQ(WEXITSTATUS(ended.status), 127);
  EXPECT_EQ(ended.output, "/nowhere/daprd: cannot be executed\n");
}

}  // namespace
}  // namespace trilby::app
