#include "observe/ids.h"

#include <set>

#include <gtest/gtest.h>

namespace trilby::observe {
namespace {

TEST(RequestId, AcceptsOnlyTheSafeAlphabetAndLength) {
  EXPECT_TRUE(is_request_id("0123456789abcdef"));
  EXPECT_TRUE(is_request_id("AZaz09_-AZaz09_-"));
  EXPECT_TRUE(is_request_id(std::string(64, 'x')));
  EXPECT_FALSE(is_request_id(""));
  EXPECT_FALSE(is_request_id("0123456789abcde"));
  EXPECT_FALSE(is_request_id(std::string(65, 'x')));
  EXPECT_FALSE(is_request_id("0123456789abcde\n"));
  EXPECT_FALSE(is_request_id("0123456789 abcdef"));
  EXPECT_FALSE(is_request_id(std::string_view("0123456789abcdef\0", 17)));
}

TEST(IdSource, MakesDifferentValidIds) {
  IdSource first;
  IdSource second;
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    for (IdSource* source : {&first, &second}) {
      const std::string id = source->request_id();
      EXPECT_TRUE(is_request_id(id)) << id;
      EXPECT_TRUE(seen.insert(id).second) << id;
    }
  }
}

}  // namespace
}  // namespace trilby::observe
