// The rules of a site's configuration.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "common/boot/config.h"

namespace hotline::boot {
namespace {

using config::v1::SiteConfig;

SiteConfig GoodSite() {
  SiteConfig site;
  const absl::Status status = ParseYaml(R"(hotline: 12345
peers: [{hotline: 110, address: "127.0.0.1:11001"}]
work_order:
  listen: {address: "127.0.0.1:12302", metrics_address: "127.0.0.1:12312"}
  data_dir: data/work_order
dispatch:
  listen: {address: "127.0.0.1:12301", metrics_address: "127.0.0.1:12311"}
escalation:
  listen: {address: "127.0.0.1:12303"}
  data_dir: data/escalation
  policy_file: policy.yaml
)",
                                        "site.yaml", &site);
  EXPECT_TRUE(status.ok()) << status;
  return site;
}

std::string Text(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += problem.path + ": " + problem.message + "\n";
  return text;
}

TEST(SiteTest, AGoodSiteHasNoProblems) {
  for (const char* role : {"", "work_order", "dispatch", "escalation", "desktop"}) {
    EXPECT_EQ(Text(CheckSite(GoodSite(), {.role = role})), "") << role;
  }
}

TEST(SiteTest, EachRuleNamesItsField) {
  struct Case {
    std::function<void(SiteConfig*)> change;
    const char* path;
    const char* part;
  };
  const Case cases[] = {
      {[](SiteConfig* s) { s->clear_hotline(); }, "hotline", "is required"},
      {[](SiteConfig* s) { s->set_hotline("12-45"); }, "hotline", "letters or digits"},
      {[](SiteConfig* s) { s->set_hotline("12345678901234567"); }, "hotline", "1 to 16"},
      {[](SiteConfig* s) { s->set_display_name(std::string(65, 'x')); }, "display_name", "64"},
      {[](SiteConfig* s) { s->mutable_peers(0)->set_hotline("12345"); }, "peers[0].hotline",
       "this site itself"},
      {[](SiteConfig* s) { *s->add_peers() = s->peers(0); }, "peers[1].hotline", "there twice"},
      {[](SiteConfig* s) { s->mutable_peers(0)->clear_address(); }, "peers[0].address", "is required"},
      {[](SiteConfig* s) { s->mutable_peers(0)->set_address("127.0.0.1"); }, "peers[0].address",
       "not host:port"},
      {[](SiteConfig* s) { s->mutable_peers(0)->set_address("127.0.0.1:0"); }, "peers[0].address",
       "not host:port"},
      {[](SiteConfig* s) { s->mutable_peers(0)->set_address("10.1.1.1:11001"); }, "peers[0].address",
       "not on loopback"},
      {[](SiteConfig* s) { s->mutable_tls()->set_key_file("k"); }, "tls.certificate_file", "is required"},
      {[](SiteConfig* s) { s->mutable_dispatch()->clear_listen(); }, "dispatch.listen.address",
       "is required"},
      {[](SiteConfig* s) { s->mutable_dispatch()->mutable_listen()->set_address("0.0.0.0:12301"); },
       "dispatch.listen.address", "--insecure-listen"},
      {[](SiteConfig* s) { s->mutable_dispatch()->mutable_listen()->set_metrics_address("0.0.0.0:1"); },
       "dispatch.listen.metrics_address", "not on loopback"},
      {[](SiteConfig* s) { s->mutable_dispatch()->mutable_listen()->set_address("127.0.0.1:12302"); },
       "dispatch.listen.address", "is taken by work_order.listen.address"},
      {[](SiteConfig* s) { s->mutable_dispatch()->mutable_listen()->set_max_message_bytes(17 << 20); },
       "dispatch.listen.max_message_bytes", "must be from 65536 to 16777216, not 17825792"},
      {[](SiteConfig* s) { s->mutable_dispatch()->mutable_listen()->set_max_deadline_ms(-1); },
       "dispatch.listen.max_deadline_ms", "must be from"},
      {[](SiteConfig* s) { s->mutable_dispatch()->mutable_listen()->set_drain_ms(1'000'000); },
       "dispatch.listen.drain_ms", "must be from"},
      {[](SiteConfig* s) { s->mutable_dispatch()->mutable_listen()->set_max_streams(-4); },
       "dispatch.listen.max_streams", "must be from"},
      {[](SiteConfig* s) { s->mutable_dispatch()->set_delivery_batch(513); }, "dispatch.delivery_batch",
       "512"},
      {[](SiteConfig* s) { s->mutable_dispatch()->set_backoff_min_ms(20'000); }, "dispatch.backoff_max_ms",
       "10000 < 20000"},
      {[](SiteConfig* s) { s->mutable_dispatch()->set_emergency_receipt_s(-1); },
       "dispatch.emergency_receipt_s", "1"},
      {[](SiteConfig* s) { s->mutable_work_order()->clear_data_dir(); }, "work_order.data_dir",
       "is required"},
      {[](SiteConfig* s) { s->mutable_work_order()->set_free_returns_per_unit(-1); },
       "work_order.free_returns_per_unit", "0"},
      {[](SiteConfig* s) { s->mutable_work_order()->set_free_returns_per_order(101); },
       "work_order.free_returns_per_order", "100"},
      {[](SiteConfig* s) { s->mutable_work_order()->set_commit_batch(5000); }, "work_order.commit_batch",
       "4096"},
      {[](SiteConfig* s) { s->mutable_work_order()->set_address("x"); }, "work_order.address",
       "not host:port"},
      {[](SiteConfig* s) { s->mutable_escalation()->clear_policy_file(); }, "escalation.policy_file",
       "is required"},
      {[](SiteConfig* s) { s->mutable_escalation()->set_data_dir(s->work_order().data_dir()); },
       "escalation.data_dir", "must not be the folder of work_order"},
      {[](SiteConfig* s) { s->clear_dispatch(); }, "dispatch", "is required"},
      {[](SiteConfig* s) { s->mutable_work_order()->mutable_listen()->set_address("127.0.0.1:0"); },
       "work_order.address", "no fixed port"},
      {[](SiteConfig* s) { s->clear_work_order(); }, "work_order.address", "is required"},
  };
  for (const Case& c : cases) {
    SiteConfig site = GoodSite();
    c.change(&site);
    const std::vector<Problem> problems = CheckSite(site, {.role = "dispatch"});
    bool found = false;
    for (const Problem& problem : problems) {
      found = found || (problem.path == c.path && problem.message.find(c.part) != std::string::npos);
    }
    EXPECT_TRUE(found) << c.path << " among\n" << Text(problems);
  }
}

TEST(SiteTest, BeyondLoopbackNeedsTlsOrTheFlag) {
  SiteConfig site = GoodSite();
  site.mutable_peers(0)->set_address("peer.example.cn:11001");
  site.mutable_dispatch()->mutable_listen()->set_address("0.0.0.0:12301");
  EXPECT_EQ(CheckSite(site, {}).size(), 2u);
  EXPECT_EQ(Text(CheckSite(site, {.insecure_listen = true})), "");
  for (auto set : {&config::v1::TlsConfig::set_certificate_file<const char*>,
                   &config::v1::TlsConfig::set_key_file<const char*>,
                   &config::v1::TlsConfig::set_ca_file<const char*>}) {
    (site.mutable_tls()->*set)("file");
  }
  EXPECT_EQ(Text(CheckSite(site, {})), "");
}

TEST(SiteTest, DefaultsAreThoseOfTheSchema) {
  SiteConfig site = GoodSite();
  ResolveDefaults(&site);
  EXPECT_EQ(site.dispatch().listen().max_message_bytes(), 4 << 20);
  EXPECT_EQ(site.dispatch().listen().max_deadline_ms(), 30'000);
  EXPECT_EQ(site.dispatch().listen().drain_ms(), 10'000);
  EXPECT_EQ(site.dispatch().listen().max_streams(), 4096);
  EXPECT_EQ(site.work_order().address(), "127.0.0.1:12302");
  EXPECT_EQ(site.work_order().queue_limit(), 8192);
  EXPECT_EQ(site.work_order().commit_batch(), 256);
  EXPECT_EQ(site.dispatch().delivery_batch(), 256);
  EXPECT_EQ(site.dispatch().backoff_min_ms(), 100);
  EXPECT_EQ(site.dispatch().backoff_max_ms(), 10'000);
  EXPECT_EQ(site.dispatch().emergency_receipt_s(), 10);
  EXPECT_EQ(site.log().level(), config::v1::LOG_LEVEL_INFO);
}

TEST(SiteTest, UnitsAreEachOnce) {
  config::v1::UnitList units;
  ASSERT_TRUE(ParseYaml(R"(units:
- {code: scjgj, display_name: 市场监督管理局, aliases: [市监局]}
- {code: scjgj, display_name: 市监局}
- {code: A B, display_name: ""}
)",
                        "units.yaml", &units)
                  .ok());
  EXPECT_EQ(Text(CheckUnits(units)),
            "units[1].code: scjgj is there twice\n"
            "units[1].display_name: 市监局 is there twice\n"
            "units[2].code: must be 1 to 32 of a-z 0-9 _ -, not \"A B\"\n"
            "units[2].display_name: is required\n");
}

TEST(SiteTest, PoliciesHaveNoDeadRules) {
  config::v1::Policy policy;
  ASSERT_TRUE(ParseYaml(R"(version: "1"
rules:
- {clock: SIGN, urgency: URGENT, limit_s: 10, remind_before_s: 10}
- {clock: SIGN, types: [CONSULTATION, COMPLAINT], limit_s: 0}
- {clock: SIGN, types: [COMPLAINT], urgency: NORMAL, limit_s: 60}
- {clock: SIGN, types: [COMPLAINT, PRAISE], limit_s: 60}
- {clock: SIGN, limit_s: 60}
- {clock: FINISH, limit_s: 99999999999}
- {limit_s: 60}
)",
                        "policy.yaml", &policy)
                  .ok());
  EXPECT_EQ(Text(CheckPolicy(policy)),
            "rules[0].remind_before_s: must be from 0 to less than limit_s, not 10\n"
            "rules[1].limit_s: must be from 1 to 316224000, not 0\n"
            "rules[2]: never applies: rules[1] comes first and takes all it is for\n"
            "rules[5].limit_s: must be from 1 to 316224000, not 99999999999\n"
            "rules[6].clock: is required\n");
  EXPECT_EQ(Text(CheckPolicy({})), "version: is required\nrules: is required\n");
}

class LoadSiteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "hotline-site-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Put(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  std::string folder_;
};

constexpr char kSite[] = R"(hotline: 12345
units_file: units.yaml
tls: {certificate_file: "certs/{role}.crt", key_file: "certs/{role}.key", ca_file: certs/ca.crt}
work_order:
  listen: {address: "127.0.0.1:12302"}
  data_dir: data
escalation:
  listen: {address: "127.0.0.1:12303"}
  data_dir: /var/lib/hotline
  policy_file: ./conf/../policy.yaml
)";

TEST_F(LoadSiteTest, FilesAreRelativeToTheFileThatNamesThem) {
  const std::string path = Put("site.yaml", kSite);
  Put("units.yaml", "units: [{code: scjgj, display_name: 市场监督管理局}]\n");
  Put("policy.yaml", "version: x\nrules: [{clock: SIGN, limit_s: 60}]\n");
  const auto loaded = LoadSite(path, {.role = "escalation"});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->site.tls().certificate_file(), folder_ + "/certs/escalation.crt");
  EXPECT_EQ(loaded->site.tls().key_file(), folder_ + "/certs/escalation.key");
  EXPECT_EQ(loaded->site.work_order().data_dir(), folder_ + "/data");
  EXPECT_EQ(loaded->site.escalation().data_dir(), "/var/lib/hotline");
  EXPECT_EQ(loaded->units.units_size(), 1);
  EXPECT_EQ(loaded->policy.rules_size(), 1);
  EXPECT_EQ(loaded->site.work_order().address(), "127.0.0.1:12302");
}

TEST_F(LoadSiteTest, ProblemsAreToldWithFileAndPlace) {
  std::string path =
      Put("site.yaml", "hotline: 12345\nwork_order:\n  listen: {address: nowhere}\n  data_dir: data\n");
  EXPECT_EQ(std::string(LoadSite(path, {}).status().message()),
            path + ":3:12: work_order.listen.address: \"nowhere\" is not host:port");
  // A field that is missing is told at what it is missing from.
  path = Put("site.yaml", "hotline: 12345\nwork_order:\n  listen: {address: \"127.0.0.1:1\"}\n");
  EXPECT_EQ(std::string(LoadSite(path, {}).status().message()),
            path + ":2:1: work_order.data_dir: is required");
  path = Put("site.yaml", kSite);
  const std::string units = Put("units.yaml", "units:\n- {code: Ä, display_name: x}\n");
  EXPECT_EQ(std::string(LoadSite(path, {}).status().message()),
            units + ":2:4: units[0].code: must be 1 to 32 of a-z 0-9 _ -, not \"Ä\"");
  std::filesystem::remove(units);
  EXPECT_EQ(LoadSite(path, {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(LoadSite(folder_ + "/none.yaml", {}).status().message()),
            "cannot read " + folder_ + "/none.yaml");
}

}  // namespace
}  // namespace hotline::boot
