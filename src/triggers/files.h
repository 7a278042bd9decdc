/// \file  Files as answers.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/units.h"
#include "call/call.h"
#include "triggers/open_beneath.h"

namespace trilby::triggers {

using namespace trilby::literals;

/// A larger file is answered as if it were not there.
inline constexpr Bytes kMaxFile = 1_GiB;

/// From the closed table of extensions; "application/octet-stream" for all others.
[[nodiscard]] std::string_view media_type(std::string_view file_name);

/// Serves one file, or the regular files below a folder, as they are at each request. Symbolic links below the folder,
/// names that begin with a dot, and everything that is no regular file do not exist for it. Threading: any; immutable.
/// Cost: blocks for the disk where the page cache has not got the file.
class FileSite {
 public:
  /// The path itself may lead through symbolic links: whoever wrote the manifest chose it.
  /// \return Reason::Manifest when there is no such file or folder
  static Result<std::shared_ptr<const FileSite>> open(const std::filesystem::path& root);

  [[nodiscard]] bool is_folder() const { return file_.empty(); }

  /// Answers a GET or HEAD: 200, 206, 304, 412 or 416, or Reason::NotFound. The body is read as it is sent, never
  /// whole.
  /// \param relative  below the folder, without a '/' in front; not looked at for a single file
  [[nodiscard]] Outcome serve(const Call& call, std::string_view relative) const;

 private:
  FileSite(FileDescriptor folder, std::string file)
      : folder_(std::move(folder)), check_(best_path_check(folder_.get())), file_(std::move(file)) {}

  FileDescriptor folder_;
  PathCheck check_;
  std::string file_;  // the single file's name; empty: the whole folder
};

}  // namespace trilby::triggers
