#include "cli/report.h"

#include <gtest/gtest.h>

namespace trilby::cli {
namespace {

TEST(Table, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(table({{"name", "n", "last"}, {"a", "1000", "x"}, {"é", "", ""}}),
            "name  n     last\n"
            "a     1000  x\n"
            "é\n");
}

TEST(Report, EveryLineNamesTheProgramAndTheMendComesLast) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(report({Reason::Manifest, "a.toml:1: x\n  more\na.toml:2: y\ntry: z"}, "w"), 78);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "trilby: a.toml:1: x\n  more\ntrilby: a.toml:2: y\ntry: z\ntry: w\n");
}

TEST(Report, ExitCodesComeFromTheReasonTable) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(report({Reason::BadRequest, "x"}), 64);
  EXPECT_EQ(report({Reason::LimitMemory, "x"}), 137);
  testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace trilby::cli
