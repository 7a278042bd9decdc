#include "http/grpc.h"

#include <gtest/gtest.h>

namespace trilby::http {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

std::string field(const Response& response, std::string_view name) {
  const std::string* value = response.fields.find(name);
  return value == nullptr ? "none" : *value;
}

TEST(Grpc, KnowsItsRequests) {
  for (const char* type : {"application/grpc", "application/grpc+proto", "Application/GRPC", "application/grpc;x=y"}) {
    EXPECT_TRUE(is_grpc({{"content-type", type}})) << type;
  }
  for (const char* type :
       {"application/grpc+json", "application/grpc-web", "application/json", "application/grp", ""}) {
    EXPECT_FALSE(is_grpc({{"content-type", type}})) << type;
  }
  EXPECT_FALSE(is_grpc({}));
  EXPECT_FALSE(is_grpc({{"content-type", "application/grpc"}, {"content-type", "application/grpc"}}));
}

TEST(Grpc, ReadsTimeouts) {
  const auto read = [](const char* text) { return grpc_timeout({{"grpc-timeout", text}}); };
  EXPECT_EQ(read("2H"), Duration(2h));
  EXPECT_EQ(read("3M"), Duration(3min));
  EXPECT_EQ(read("4S"), Duration(4s));
  EXPECT_EQ(read("250m"), Duration(250ms));
  EXPECT_EQ(read("5u"), Duration(5us));
  EXPECT_EQ(read("99999999n"), Duration(99'999'999ns));
  EXPECT_EQ(read("0S"), Duration(0s));
  EXPECT_EQ(grpc_timeout({}), Duration::max());
  for (const char* unit : {"H", "M", "S"}) {
    EXPECT_GE(*read(("99999999"s + unit).c_str()), Duration(24h * 365)) << unit;
  }
  for (const char* text : {"", "S", "5", "5s", "-5S", "+5S", " 5S", "5 S", "5.5S", "123456789n", "0x5S", "5SS"}) {
    EXPECT_FALSE(read(text)) << text;
  }
  EXPECT_FALSE(grpc_timeout({{"grpc-timeout", "1S"}, {"grpc-timeout", "2S"}}));
}

TEST(Grpc, TakesMessagesAsTheyAre) {
  EXPECT_TRUE(is_identity({}));
  EXPECT_TRUE(is_identity({{"grpc-encoding", "identity"}}));
  EXPECT_FALSE(is_identity({{"grpc-encoding", "gzip"}}));
  EXPECT_FALSE(is_identity({{"grpc-encoding", "identity"}, {"grpc-encoding", "gzip"}}));
  const Response refused = refuse_grpc_encoding({});
  EXPECT_EQ(field(refused, "grpc-status"), "12");
  EXPECT_EQ(field(refused, "grpc-accept-encoding"), "identity");
}

TEST(Grpc, FindsTheOnlyMessage) {
  EXPECT_EQ(only_grpc_message("\0\0\0\0\0"s), "");
  EXPECT_EQ(only_grpc_message("\0\0\0\0\3abc"s), "abc");
  EXPECT_EQ(only_grpc_message(grpc_prefix(70'000) + std::string(70'000, 'x')), std::string(70'000, 'x'));
  EXPECT_EQ(grpc_prefix(0x01020304), "\0\1\2\3\4"s);
  for (const std::string& body : {""s, "\0"s, "\0\0\0\0"s, "\1\0\0\0\0"s, "\2\0\0\0\0"s, "\0\0\0\0\3ab"s,
                                  "\0\0\0\0\3abcd"s, "\0\xff\xff\xff\xffx"s, "\0\0\0\0\0\0\0\0\0\0"s}) {
    EXPECT_FALSE(only_grpc_message(body));
  }
}

TEST(Grpc, SaysHowACallEndedBehindItsMessage) {
  const Response response = grpc_answer(make_body("x"), {{"etag", "1"}});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(field(response, "content-type"), "application/grpc");
  EXPECT_EQ(field(response, "etag"), "1");
  EXPECT_EQ(field(response, "grpc-status"), "none");
  ASSERT_TRUE(response.trailers);
  EXPECT_EQ(*response.trailers().find("grpc-status"), "0");
}

TEST(Grpc, SaysErrorsInOneHead) {
  const Response response = grpc_error(GrpcStatus::Internal, "100 % na\xc3\xafve\nx", {});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(field(response, "content-type"), "application/grpc");
  EXPECT_EQ(field(response, "grpc-status"), "13");
  EXPECT_EQ(field(response, "grpc-message"), "100 %25 na%C3%AFve%EF%BF%BDx");
  EXPECT_EQ(response.body, nullptr);
  EXPECT_FALSE(response.trailers);
  EXPECT_LE(field(grpc_error(GrpcStatus::Internal, std::string(100'000, 'x'), {}), "grpc-message").size(), 1100U);
}

TEST(Grpc, SendsTheMetadataThatItCan) {
  const Response response = grpc_error(GrpcStatus::Unknown, "",
                                       {{"X-Good", "yes"},
                                        {"grpc-status", "0"},
                                        {"Grpc-Message", "no"},
                                        {"content-type", "text/html"},
                                        {"x-bin", "no"},
                                        {"x bad", "no"},
                                        {"x-bad", "caf\xc3\xa9"},
                                        {"x-bad", "a\r\nb"}});
  EXPECT_EQ(field(response, "x-good"), "yes");
  EXPECT_EQ(field(response, "grpc-status"), "2");
  EXPECT_EQ(response.fields.count("content-type"), 1U);
  EXPECT_EQ(response.fields.size(), 4U);
}

TEST(Grpc, HasAStatusForEachOfHttp) {
  EXPECT_EQ(grpc_status(200), GrpcStatus::Ok);
  EXPECT_EQ(grpc_status(304), GrpcStatus::Ok);
  EXPECT_EQ(grpc_status(400), GrpcStatus::InvalidArgument);
  EXPECT_EQ(grpc_status(401), GrpcStatus::Unauthenticated);
  EXPECT_EQ(grpc_status(404), GrpcStatus::NotFound);
  EXPECT_EQ(grpc_status(413), GrpcStatus::ResourceExhausted);
  EXPECT_EQ(grpc_status(418), GrpcStatus::FailedPrecondition);
  EXPECT_EQ(grpc_status(503), GrpcStatus::Unavailable);
  EXPECT_EQ(grpc_status(504), GrpcStatus::DeadlineExceeded);
  EXPECT_EQ(grpc_status(599), GrpcStatus::Unknown);
  for (int status = 400; status < 600; ++status) {
    EXPECT_NE(grpc_status(status), GrpcStatus::Ok) << status;
  }
}

}  // namespace
}  // namespace trilby::http
