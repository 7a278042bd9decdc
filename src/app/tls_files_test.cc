#include "app/tls_files.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/tls_test_peer.h"

namespace trilby::app {
namespace {

namespace fs = std::filesystem;

class TlsFilesTest : public testing::Test {
 protected:
  TlsFilesTest() {
    fs::create_directories(folder / "web");
    const net::TestCertificate pair = net::make_test_certificate();
    write("certificate.pem", pair.certificate);
    write("key.pem", pair.key);
  }
  ~TlsFilesTest() override { fs::remove_all(folder); }

  void write(const std::string& name, std::string_view text) const { std::ofstream(folder / name) << text; }
  [[nodiscard]] Result<std::vector<std::shared_ptr<const net::TlsContext>>> load(const std::string& more = "") const {
    const auto manifest = parse_manifest(
        "trilby = 1\n[app.a]\nport = 1\npublic = '127.0.0.1:2'\n"
        "tls = { certificate = 'certificate.pem', key = 'key.pem' }\n" +
            more + "\n[app.b]\nport = 3\n",
        folder / "t.toml");
    EXPECT_TRUE(manifest) << manifest.error().message;
    return load_all_tls(*manifest);
  }
  [[nodiscard]] std::string error(const std::string& more = "") const {
    const auto loaded = load(more);
    return loaded ? "" : loaded.error().message;
  }
  [[nodiscard]] std::string at(const std::string& field) const {
    return (folder / "t.toml").string() + ":5: app.a.tls." + field + ": ";
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder / name).string(); }

  const fs::path folder = fs::canonical(fs::temp_directory_path()) / ("tls-files-test-" + std::to_string(getpid()));
};

TEST_F(TlsFilesTest, LoadsWhatAppsNameAndWritesNoCoreFilesFromThenOn) {
  const auto loaded = load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  ASSERT_EQ(loaded->size(), 2U);
  EXPECT_NE(loaded->at(0), nullptr);
  EXPECT_EQ(loaded->at(1), nullptr);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_CORE, &limit), 0);
  EXPECT_LE(limit.rlim_max, 1U);
}

TEST_F(TlsFilesTest, NamesTheFieldAndTheFileThatIsWrong) {
  fs::remove(folder / "key.pem");
  EXPECT_EQ(error(), at("key") + path("key.pem") + " cannot be read: No such file or directory");
  fs::create_directory(folder / "key.pem");
  EXPECT_EQ(error(), at("key") + path("key.pem") + " is no regular file");
  fs::remove(folder / "key.pem");
  write("key.pem", net::make_test_certificate().key);
  EXPECT_EQ(error(), at("key") + path("key.pem") + " holds another key than that of the first certificate");
  write("certificate.pem", "no PEM");
  EXPECT_EQ(error(), at("certificate") + path("certificate.pem") +
                         R"( holds no certificate in PEM ("-----BEGIN CERTIFICATE-----"))");
  write("certificate.pem", std::string(256U << 10U, ' '));
  EXPECT_EQ(error(), at("certificate") + path("certificate.pem") + " has 256KiB or more");
}

TEST_F(TlsFilesTest, AnExpiredCertificateIsServedAllTheSame) {
  const net::TestCertificate pair = net::make_test_certificate(-std::chrono::hours(1));
  write("certificate.pem", pair.certificate);
  write("key.pem", pair.key);
  testing::internal::CaptureStderr();
  EXPECT_EQ(error(), "");
  EXPECT_NE(testing::internal::GetCapturedStderr().find("the certificate has expired"), std::string::npos);
}

TEST_F(TlsFilesTest, TellsOfCertificatesThatListenersUse) {
  const auto manifest = parse_manifest(
      "trilby = 1\n[app.a]\nport = 1\npublic = '127.0.0.1:2'\n"
      "tls = { certificate = 'certificate.pem', key = 'key.pem' }\n[app.b]\nport = 3\n"
      "[app.c]\nport = 4\ntls = { certificate = 'certificate.pem', key = 'key.pem' }\n"
      "[app.d]\nport = 5\nprotocol = 'grpcs'\ntls = { certificate = 'certificate.pem', key = 'key.pem' }\n",
      folder / "t.toml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  const auto loaded = load_all_tls(*manifest);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const std::vector<ServedCertificate> served = served_certificates(*manifest, *loaded);
  ASSERT_EQ(served.size(), 2U);
  EXPECT_EQ(served[0].app, "a");
  EXPECT_EQ(served[1].app, "d");
  EXPECT_EQ(served[0].file, path("certificate.pem"));
  EXPECT_EQ(served[0].valid_until, loaded->at(0)->valid_until());
  EXPECT_EQ(served[0].valid_from, loaded->at(0)->valid_from());
}

TEST_F(TlsFilesTest, RefusesAKeyThatARouteServes) {
  const std::string message = path("key.pem") + " lies where app.a.route[1] serves files; put it elsewhere";
  EXPECT_EQ(error("[[app.a.route]]\npath = '/*'\nfiles = '.'"), at("key") + message);
  EXPECT_EQ(error("[[app.a.route]]\npath = '/k'\nfiles = 'key.pem'"), at("key") + message);
  EXPECT_EQ(error("[[app.a.route]]\npath = '/*'\nfiles = 'web'"), "");
  // By way of a link too.
  fs::rename(folder / "key.pem", folder / "web" / "real.pem");
  fs::create_symlink("web/real.pem", folder / "key.pem");
  EXPECT_EQ(error("[[app.a.route]]\npath = '/*'\nfiles = 'web'"), at("key") + message);
}

TEST_F(TlsFilesTest, RefusesAKeyThatAFunctionMayRead) {
  EXPECT_EQ(error("[function.f]\nmodule = 'f.wasm'\nallow.directories = { '/data' = '.' }"),
            at("key") + path("key.pem") + " lies where function.f is allowed to read files; put it elsewhere");
}

}  // namespace
}  // namespace trilby::app
