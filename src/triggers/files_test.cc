#include "triggers/files.h"

#include <cstdlib>
#include <fstream>
#include <optional>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace trilby::triggers {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "files-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    base = name;
    fs::create_directories(base / "web/sub/.git");
    write("web/index.html", "<!doctype html>");
    write("web/app.js", "0123456789");
    write("web/sub/a b.txt", "spaces");
    write("web/.env", "secret");
    write("web/sub/.git/config", "secret");
    write("secret.txt", "secret");
    site = FileSite::open(base / "web").value();
  }
  void TearDown() override { fs::remove_all(base); }

  void write(const std::string& name, const std::string& bytes) const { std::ofstream(base / name) << bytes; }

  static Call call(std::string method, Fields fields) {
    Call made;
    made.method = std::move(method);
    made.fields = std::move(fields);
    made.body = make_body({});
    return made;
  }
  Outcome get(std::string_view path, Fields fields = {}) const {
    return site->serve(call("GET", std::move(fields)), path);
  }

  static std::string body_of(Outcome& outcome) {
    std::string bytes;
    (void)read_all(std::move(outcome.body), Bytes{1U << 30U},
                   [&](Result<std::string> all) { bytes = std::move(all).value(); });
    return bytes;
  }
  static std::string field(const Outcome& outcome, std::string_view name) {
    const std::string* value = outcome.fields.find(name);
    return value == nullptr ? "" : *value;
  }

  fs::path base;
  std::shared_ptr<const FileSite> site;
};

TEST_F(Files, ServesARegularFileWithWhatCachesNeed) {
  Outcome outcome = get("app.js");
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.reason, Reason::Ok);
  EXPECT_EQ(field(outcome, "content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(field(outcome, "cache-control"), "no-cache");
  EXPECT_EQ(field(outcome, "accept-ranges"), "bytes");
  EXPECT_EQ(field(outcome, "etag").size(), 18U);
  EXPECT_NE(field(outcome, "last-modified"), "");
  EXPECT_EQ(field(outcome, "content-security-policy"), "");
  EXPECT_EQ(outcome.body->length(), 10U);
  EXPECT_EQ(body_of(outcome), "0123456789");
  Outcome spaced = get("sub/a b.txt");
  EXPECT_EQ(body_of(spaced), "spaces");
}

TEST_F(Files, GivesPagesAStrictPolicy) {
  EXPECT_NE(field(get("index.html"), "content-security-policy").find("default-src 'none'; script-src 'self'"),
            std::string::npos);
  EXPECT_EQ(field(get("index.html"), "referrer-policy"), "no-referrer");
}

TEST_F(Files, ServesASingleFileWhateverThePath) {
  site = FileSite::open(base / "web/index.html").value();
  EXPECT_FALSE(site->is_folder());
  Outcome outcome = get("../secret.txt");
  EXPECT_EQ(body_of(outcome), "<!doctype html>");
}

TEST_F(Files, SeesChangesAtOnce) {
  const std::string before = field(get("app.js"), "etag");
  EXPECT_EQ(field(get("app.js"), "etag"), before);
  EXPECT_EQ(get("app.js", {{"If-None-Match", before}}).status, 304);
  write("web/app.js", "changed");
  EXPECT_NE(field(get("app.js"), "etag"), before);
  Outcome outcome = get("app.js", {{"If-None-Match", before}});
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(body_of(outcome), "changed");
}

TEST_F(Files, AnswersNotModifiedWithoutATypeOrBody) {
  Outcome outcome = get("app.js", {{"If-None-Match", "*"}, {"Range", "bytes=0-1"}});
  EXPECT_EQ(outcome.status, 304);
  EXPECT_EQ(field(outcome, "content-type"), "");
  EXPECT_NE(field(outcome, "etag"), "");
  EXPECT_EQ(body_of(outcome), "");
}

TEST_F(Files, RefusesWhoAsksForAnotherVersion) {
  const std::string etag = field(get("app.js"), "etag");
  const Outcome outcome = get("app.js", {{"If-Match", "\"another\""}, {"If-None-Match", "*"}});
  EXPECT_EQ(outcome.status, 412);
  EXPECT_EQ(outcome.body, nullptr);
  EXPECT_EQ(field(outcome, "etag"), etag);
  EXPECT_EQ(get("app.js", {{"If-Match", etag}}).status, 200);
  EXPECT_EQ(get("app.js", {{"If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}}).status, 412);
}

TEST_F(Files, ServesOneRange) {
  Outcome outcome = get("app.js", {{"Range", "bytes=2-4"}});
  EXPECT_EQ(outcome.status, 206);
  EXPECT_EQ(field(outcome, "content-range"), "bytes 2-4/10");
  EXPECT_EQ(outcome.body->length(), 3U);
  EXPECT_EQ(body_of(outcome), "234");
  Outcome many = get("app.js", {{"Range", "bytes=0-1,3-4"}});
  EXPECT_EQ(many.status, 200);
  EXPECT_EQ(body_of(many), "0123456789");
}

TEST_F(Files, RefusesARangeOutsideTheFile) {
  const Outcome outcome = get("app.js", {{"Range", "bytes=10-99999999999999999999"}});
  EXPECT_EQ(outcome.status, 416);
  EXPECT_EQ(field(outcome, "content-range"), "bytes */10");
  EXPECT_EQ(outcome.body, nullptr);
}

TEST_F(Files, IgnoresRangesOfHead) {
  EXPECT_EQ(site->serve(call("HEAD", {{"Range", "bytes=2-4"}}), "app.js").status, 200);
}

TEST_F(Files, StreamsInBoundedPieces) {
  write("web/large.bin", std::string(200'000, 'x'));
  Outcome outcome = get("large.bin");
  EXPECT_EQ(field(outcome, "content-type"), "application/octet-stream");
  std::size_t total = 0;
  for (bool last = false; !last;) {
    outcome.body->read([&](Result<BodySource::Chunk> chunk) {
      ASSERT_TRUE(chunk);
      EXPECT_LE(chunk->bytes.size(), 65536U);
      total += chunk->bytes.size();
      last = chunk->last;
    });
  }
  EXPECT_EQ(total, 200'000U);
}

TEST_F(Files, FailsTheBodyOfAFileThatShrinks) {
  write("web/large.bin", std::string(200'000, 'x'));
  Outcome outcome = get("large.bin");
  ASSERT_EQ(::truncate((base / "web/large.bin").c_str(), 0), 0);
  std::optional<Reason> reason;
  outcome.body->read([&](Result<BodySource::Chunk> chunk) { reason = chunk ? Reason::Ok : chunk.error().reason; });
  EXPECT_EQ(reason, Reason::UpstreamFailed);
}

TEST_F(Files, ServesAnEmptyFile) {
  write("web/empty.txt", "");
  Outcome outcome = get("empty.txt", {{"Range", "bytes=0-"}});
  EXPECT_EQ(outcome.status, 416);
  Outcome whole = get("empty.txt");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(body_of(whole), "");
}

TEST_F(Files, KnowsNothingOutsideItsFolder) {
  for (const std::string path : {"../secret.txt", "sub/../../secret.txt", "sub/../app.js", "..", "", ".", "sub", "sub/",
                                 "app.js/", "app.js/x", "missing", "/etc/passwd", "//etc/passwd"}) {
    const Outcome outcome = get(path);
    EXPECT_EQ(outcome.reason, Reason::NotFound) << path;
    EXPECT_EQ(outcome.body, nullptr) << path;
  }
  EXPECT_EQ(get(std::string(5000, 'a')).reason, Reason::NotFound);
  std::string deep;
  for (int i = 0; i < 3000; ++i) {
    deep += "a/";
  }
  EXPECT_EQ(get(deep + "b").reason, Reason::NotFound);
}

TEST_F(Files, HidesDotFiles) {
  for (const char* path : {".env", "sub/.git/config", ".git"}) {
    EXPECT_EQ(get(path).reason, Reason::NotFound) << path;
  }
}

TEST_F(Files, FollowsNoLinks) {
  fs::create_symlink(base / "secret.txt", base / "web/out.txt");
  fs::create_symlink("app.js", base / "web/inside.js");
  fs::create_directory_symlink(base, base / "web/up");
  fs::create_directory_symlink("/proc/self/root", base / "web/proc");
  for (const char* path : {"out.txt", "inside.js", "up/secret.txt", "up/web/app.js", "proc/etc/passwd"}) {
    EXPECT_EQ(get(path).reason, Reason::NotFound) << path;
  }
}

TEST_F(Files, ServesNothingButRegularFiles) {
  ASSERT_EQ(::mkfifo((base / "web/fifo").c_str(), 0600), 0);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (base / "web/s").string().copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  for (const char* path : {"fifo", "s"}) {
    EXPECT_EQ(get(path).reason, Reason::NotFound) << path;
  }
  ::close(listener);
  EXPECT_EQ(FileSite::open("/dev").value()->serve(call("GET", {}), "null").reason, Reason::NotFound);
}

TEST_F(Files, TellsOnlyTheOperatorWhyAFileCannotBeRead) {
  fs::create_symlink("app.js", base / "web/link.js");
  const Outcome outcome = get("link.js");
  EXPECT_EQ(outcome.detail, "");
  EXPECT_NE(outcome.message, "");
}

TEST_F(Files, MayBeReachedThroughALinkThatTheManifestNames) {
  fs::create_directory_symlink(base / "web", base / "linked");
  site = FileSite::open(base / "linked").value();
  EXPECT_EQ(get("app.js").status, 200);
  fs::create_symlink(base / "web/app.js", base / "page.js");
  site = FileSite::open(base / "page.js").value();
  EXPECT_EQ(get("").status, 200);
}

TEST_F(Files, RefuseToOpenWhatIsNotThere) {
  EXPECT_EQ(FileSite::open(base / "missing").error().reason, Reason::Manifest);
  EXPECT_EQ(FileSite::open("/dev/null").error().reason, Reason::Manifest);
}

TEST_F(Files, OpenBeneathIsAsStrictEitherWay) {
  fs::create_symlink(base / "secret.txt", base / "web/out.txt");
  fs::create_directory_symlink(base, base / "web/up");
  const FileDescriptor root(::open((base / "web").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const PathCheck check : {best_path_check(root.get()), PathCheck::Segments}) {
    EXPECT_TRUE(open_beneath(root.get(), "app.js", check));
    EXPECT_TRUE(open_beneath(root.get(), "sub/a b.txt", check));
    for (const char* path : {"", "..", "../secret.txt", "sub/../../secret.txt", "/etc/passwd", "out.txt",
                             "up/secret.txt", "app.js/x", "missing"}) {
      EXPECT_FALSE(open_beneath(root.get(), path, check)) << path;
    }
  }
}

TEST(MediaType, IsClosed) {
  EXPECT_EQ(media_type("a.HTML"), "text/html; charset=utf-8");
  EXPECT_EQ(media_type("a.tar.png"), "image/png");
  for (const char* name : {"", "html", "a.", "a.exe", "png", "a.html5"}) {
    EXPECT_EQ(media_type(name), "application/octet-stream") << name;
  }
}

}  // namespace
}  // namespace trilby::triggers
