#include "policy/grants.h"

#include <gtest/gtest.h>

namespace trilby::policy {
namespace {

TEST(Grants, NothingIsGrantedThatIsNotNamed) {
  Grants grants;
  EXPECT_FALSE(may_use_model(grants, "food"));
  grants.models.insert("food");
  EXPECT_TRUE(may_use_model(grants, "food"));
  EXPECT_FALSE(may_use_model(grants, "foo"));
}

TEST(Secret, IsGivenAsAVariableInCapitals) {
  EXPECT_EQ(secret_variable("db-password"), "DB_PASSWORD");
  EXPECT_EQ(secret_variable("Token_2"), "TOKEN_2");
}

TEST(Clock, IsCoarseUnlessGrantedAndFixedWhereAllIsReproducible) {
  Grants grants;
  EXPECT_EQ(clock_kind(grants), ClockKind::Coarse);
  grants.precise_clock = true;
  EXPECT_EQ(clock_kind(grants), ClockKind::Precise);
  grants.reproducible = true;
  EXPECT_EQ(clock_kind(grants), ClockKind::Fixed);
}

TEST(Mend, IsTheLineThatTheManifestLacks) {
  Grants grants;
  EXPECT_EQ(mend(grants, "classify", Grant::Model, "food"), R"(in [function.classify] add allow.models = ["food"])");
  grants.models.insert("birds");
  EXPECT_EQ(mend(grants, "classify", Grant::Model, "food"),
            R"(in [function.classify] add allow.models = ["birds", "food"])");
}

TEST(Mend, NamesNoFolderThatItDoesNotKnow) {
  EXPECT_EQ(mend({}, "f", Grant::Directory, "path_open"),
            R"(in [function.f] add allow.directories = { "/data" = "FOLDER" })");
}

TEST(Mend, IsOneBoundedLineWhateverTheGuestAskedFor) {
  const std::string asked = "a\"]\n[function.evil]\x1b[31m" + std::string(10'000, 'x');
  const std::string line = mend({}, "f", Grant::Model, asked);
  EXPECT_LT(line.size(), 600U);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_NE(line.find(R"(["a\"])"), std::string::npos) << line;
}

TEST(Mend, SaysWhereNothingCanBeGranted) {
  EXPECT_TRUE(mend({}, "f", Grant::Socket, "sock_accept").starts_with("nothing grants"));
}

TEST(Denials, AreCountedByKindAndNeverWrap) {
  Denials denials;
  EXPECT_EQ(denials.total(), 0U);
  denials.add(Grant::Model);
  denials.add(Grant::Socket);
  denials.add(Grant::Socket);
  EXPECT_EQ(denials.of(Grant::Model), 1U);
  EXPECT_EQ(denials.of(Grant::Directory), 0U);
  EXPECT_EQ(denials.of(Grant::Socket), 2U);
  EXPECT_EQ(denials.total(), 3U);
}

}  // namespace
}  // namespace trilby::policy
