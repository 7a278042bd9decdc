#include <csignal>

#include "cli/commands.h"
#include "cli/program.h"

int main(int count, char** words) {
  using namespace trilby::cli;
  (void)std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error, as a full disk is, and no signal
  Commands commands;
  commands.push_back(make_up());
  commands.push_back(make_serve());
  commands.push_back(make_init());
  commands.push_back(make_check());
  commands.push_back(make_invoke());
  commands.push_back(make_inspect());
  commands.push_back(make_compile());
  commands.push_back(make_calls());
  commands.push_back(make_doctor());
  commands.push_back(make_selftest());
  commands.push_back(make_completion(commands));
  commands.push_back(make_worker());
  return run_program(commands, {words + 1, words + count});
}
