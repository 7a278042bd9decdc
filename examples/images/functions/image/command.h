/// \file  What a function is to its host: a command that reads standard input and writes standard output.
#pragma once
#include "image/bytes.h"
#include "image/result.h"

namespace image {

/// Exit codes of sysexits.h. The host answers kBadInput with 422 and the words on standard error, kFailed with 500.
enum ExitCode { kOk = 0, kBadInput = 65, kFailed = 70 };

/// All of standard input. Refuses only for want of memory.
Result<Buffer> read_input();

/// \return kOk, or kFailed when nobody takes the output
ExitCode write_output(Bytes output);

/// Writes one sentence to standard error. \return `code`
ExitCode fail(ExitCode code, const std::string& words);

}  // namespace image
