#include "triggers/problem.h"

#include <gtest/gtest.h>

namespace trilby::triggers {
namespace {

TEST(Problem, HoldsWhatTheTableSays) {
  EXPECT_EQ(
      problem_document(Reason::LimitCpu, 504, "", "id-id-id-id-id-id"),
      R"({"type":"urn:trilby:reason:limit-cpu","title":"The function used up its CPU time","status":504,)"
      R"("instance":"urn:trilby:request:id-id-id-id-id-id","reason":"limit-cpu","request_id":"id-id-id-id-id-id"})");
}

TEST(Problem, KeepsItsDetailOnOneShortSafeLine) {
  const std::string document =
      problem_document(Reason::BadInput, 422, "a\"b\n\x1b[31m\xff" + std::string(5000, 'x'), "id");
  EXPECT_NE(document.find(R"("detail":"a\"b)"), std::string::npos) << document;
  EXPECT_EQ(document.find('\n'), std::string::npos);
  EXPECT_EQ(document.find('\x1b'), std::string::npos);
  EXPECT_LT(document.size(), 1500U);
}

}  // namespace
}  // namespace trilby::triggers
