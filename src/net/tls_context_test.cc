#include "net/tls_context.h"

#include <string>

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "net/tls_test_peer.h"

namespace trilby::net {
namespace {

class TlsContextTest : public testing::Test {
 protected:
  std::string certificates_error(std::string_view pem) {
    const auto used = context->use_certificates(pem);
    return used ? "" : used.error().message;
  }
  std::string key_error(std::string_view pem) {
    const auto used = context->use_key(pem);
    return used ? "" : used.error().message;
  }
  std::shared_ptr<TlsContext> context = TlsContext::create({"h2", "http/1.1"}).value();
};

TEST_F(TlsContextTest, TakesACertificateAndItsKey) {
  for (const unsigned bits : {0U, 2048U}) {
    const TestCertificate pair = make_test_certificate(std::chrono::hours(1), bits);
    auto fresh = TlsContext::create({}).value();
    EXPECT_TRUE(fresh->use_certificates(pair.certificate));
    EXPECT_TRUE(fresh->use_key(pair.key));
    const auto now = std::chrono::system_clock::now();
    const auto left = fresh->valid_until() - now;
    EXPECT_GT(left, std::chrono::minutes(50));
    EXPECT_LE(left, std::chrono::minutes(61));
    EXPECT_LT(fresh->valid_from(), now - std::chrono::minutes(100));
  }
}

TEST_F(TlsContextTest, TakesTheShortestValidityOfAChain) {
  const TestCertificate own = make_test_certificate(std::chrono::hours(100));
  const TestCertificate issuer = make_test_certificate(-std::chrono::hours(1));
  EXPECT_EQ(certificates_error(own.certificate + "a remark between them\n" + issuer.certificate), "");
  EXPECT_EQ(key_error(own.key), "");
  EXPECT_LT(context->valid_until(), std::chrono::system_clock::now());
}

TEST_F(TlsContextTest, KnowsOfCertificatesThatAreMeantToLastForEver) {
  using std::chrono::sys_days;
  constexpr auto kEnd = sys_days(std::chrono::year(9999) / 12 / 31) + std::chrono::hours(24) - std::chrono::seconds(1);
  const auto left = kEnd - std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  ASSERT_EQ(certificates_error(make_test_certificate(left).certificate), "");
  EXPECT_LE(context->valid_until(), kEnd);
  EXPECT_GT(context->valid_until(), kEnd - std::chrono::minutes(10));
}

TEST_F(TlsContextTest, SaysWhatIsNoCertificate) {
  EXPECT_EQ(certificates_error(""), R"(holds no certificate in PEM ("-----BEGIN CERTIFICATE-----"))");
  EXPECT_EQ(certificates_error(std::string(5000, '\0')),
            R"(holds no certificate in PEM ("-----BEGIN CERTIFICATE-----"))");
  EXPECT_EQ(certificates_error(make_test_certificate().key),
            R"(holds no certificate in PEM ("-----BEGIN CERTIFICATE-----"))");
  std::string cut = make_test_certificate().certificate;
  cut.resize(cut.size() / 2);
  EXPECT_EQ(certificates_error(cut), "holds a certificate that cannot be read");
}

TEST_F(TlsContextTest, RefusesAChainThatIsTooLongAndKeysThatAreTooShort) {
  const std::string one = make_test_certificate().certificate;
  std::string many;
  for (int i = 0; i < 17; ++i) {
    many += one;
  }
  EXPECT_EQ(certificates_error(many), "holds more than 16 certificates");
  EXPECT_EQ(certificates_error(make_test_certificate(std::chrono::hours(1), 1024).certificate),
            "holds a certificate that OpenSSL refuses: ee key too small");
}

TEST_F(TlsContextTest, SaysWhatIsNoKeyOfIt) {
  const TestCertificate pair = make_test_certificate();
  ASSERT_EQ(certificates_error(pair.certificate), "");
  EXPECT_EQ(key_error(""), R"(holds no private key in PEM ("-----BEGIN PRIVATE KEY-----"))");
  EXPECT_EQ(key_error(pair.certificate), R"(holds no private key in PEM ("-----BEGIN PRIVATE KEY-----"))");
  EXPECT_EQ(key_error(pair.key.substr(0, pair.key.size() / 2)), "holds a private key that cannot be read");
  EXPECT_EQ(key_error(make_test_certificate().key), "holds another key than that of the first certificate");
  EXPECT_EQ(key_error(make_test_certificate(std::chrono::hours(1), 2048).key),
            "holds another key than that of the first certificate");
  EXPECT_EQ(key_error(pair.key), "");
}

TEST_F(TlsContextTest, RefusesAKeyWithAPassphrase) {
  const OwnedKey key(EVP_EC_gen("P-256"));
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  std::string secret = "secret";
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), EVP_aes_256_cbc(), secret.data(), 6, nullptr, nullptr),
            1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  ASSERT_EQ(certificates_error(make_test_certificate().certificate), "");
  EXPECT_EQ(key_error({data, static_cast<std::size_t>(size)}),
            "holds a private key with a passphrase, which nobody is asked for");
}

}  // namespace
}  // namespace trilby::net
