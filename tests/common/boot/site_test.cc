// The rules of a site's configuration.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
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

TEST(SiteTest, EveryRoleOfACertificateMayNeedToKnow) {
  SiteConfig site = GoodSite();
  for (const char* role : {"desktop", "supervisor", "admin", "dispatch", "escalation", "work_order"}) {
    site.mutable_need_to_know()->add_roles(role);
  }
  EXPECT_EQ(Text(CheckSite(site)), "");
  // A folder beside another of the like name is not within it.
  site.mutable_backup()->set_directory("data/work_order_backups");
  EXPECT_EQ(Text(CheckSite(site)), "");
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
       "dispatch.listen.metrics_address", "--insecure-metrics"},
      {[](SiteConfig* s) { s->mutable_dispatch()->mutable_listen()->set_metrics_address("[::1]:25312"); },
       "dispatch.listen.metrics_address", "must be `localhost` or an IPv4 address"},
      {[](SiteConfig* s) { s->mutable_dispatch()->mutable_listen()->set_metrics_address("[::]:25312"); },
       "dispatch.listen.metrics_address", "must be `localhost` or an IPv4 address"},
      {[](SiteConfig* s) { s->mutable_dispatch()->mutable_listen()->set_metrics_address("site.example:1"); },
       "dispatch.listen.metrics_address", "must be `localhost` or an IPv4 address"},
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
      {[](SiteConfig* s) { s->mutable_work_order()->mutable_confirm_within_s()->set_urgent(-1); },
       "work_order.confirm_within_s.urgent", "1"},
      {[](SiteConfig* s) { s->mutable_work_order()->mutable_keep_after_s()->set_normal(2'592'001); },
       "work_order.keep_after_s.normal", "1"},
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
      {[](SiteConfig* s) { s->mutable_escalation()->set_data_dir("./data//work_order/"); },
       "escalation.data_dir", "must not be the folder of work_order"},
      {[](SiteConfig* s) { s->mutable_backup()->set_directory("./data/escalation/"); }, "backup.directory",
       "must not be within a data_dir"},
      {[](SiteConfig* s) {
         s->mutable_work_order()->set_data_dir("data/work_order/");
         s->mutable_backup()->set_directory("data/x/../work_order/backups");
       },
       "backup.directory", "must not be within a data_dir"},
      {[](SiteConfig* s) { s->mutable_need_to_know()->add_roles("boss"); }, "need_to_know.roles[0]",
       "no certificate has the role \"boss\""},
      {[](SiteConfig* s) { s->mutable_log()->set_file("/var/log/hotline.log"); }, "log.file",
       "must hold {role}: 3 programs"},
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

config::v1::WebhookConfig* AddWebhook(SiteConfig* site) {
  config::v1::WebhookConfig* webhook = site->mutable_escalation()->mutable_notify()->add_webhooks();
  webhook->set_name("sms");
  webhook->set_url("https://gateway.example/send");
  webhook->add_secrets()->set_key_id("k");
  webhook->mutable_secrets(0)->set_file("k.secret");
  return webhook;
}

TEST(CheckSite, TellsWhatIsWrongWithWaysToTellPeople) {
  SiteConfig good = GoodSite();
  AddWebhook(&good);
  good.mutable_escalation()->mutable_notify()->set_quiet_from("21:30");
  good.mutable_escalation()->mutable_notify()->set_quiet_until("08:00");
  EXPECT_TRUE(CheckSite(good).empty()) << Text(CheckSite(good));
  for (const char* url : {"https://x", "https://x:8443/y", "https://10.0.0.7:1?y", "https://[::1]/y",
                          "https://[fd00::7]:65535/y"}) {
    SiteConfig site = good;
    site.mutable_escalation()->mutable_notify()->mutable_webhooks(0)->set_url(url);
    EXPECT_EQ(Text(CheckSite(site)), "") << url;
  }
  struct Case {
    std::function<void(config::v1::NotifyConfig*, config::v1::WebhookConfig*)> change;
    std::string path, part;
  };
  using Notify = config::v1::NotifyConfig;
  using Webhook = config::v1::WebhookConfig;
  const std::string at = "escalation.notify.webhooks[0]";
  const std::vector<Case> cases = {
      {[](Notify* n, Webhook*) { n->set_quiet_from("24:00"); }, "escalation.notify.quiet_from",
       "not a time like"},
      {[](Notify* n, Webhook*) { n->clear_quiet_until(); }, "escalation.notify.quiet_until",
       "both or neither"},
      {[](Notify* n, Webhook*) { n->set_rounds(101); }, "escalation.notify.rounds", "100"},
      {[](Notify* n, Webhook*) { n->mutable_group_window_s()->set_emergency(5); },
       "escalation.notify.group_window_s.emergency", "never waits"},
      {[](Notify*, Webhook* w) { w->set_name("desktop"); }, at + ".name", "not desktop"},
      {[](Notify*, Webhook* w) { w->set_url("ftp://x/y"); }, at + ".url", "https://"},
      {[](Notify*, Webhook* w) { w->set_url("http://x/y"); }, at + ".url", "insecure_allow_http"},
      {[](Notify*, Webhook* w) { w->set_url("https:///y"); }, at + ".url", "no host"},
      {[](Notify*, Webhook* w) { w->set_url("https://user:pass@x/y"); }, at + ".url", "user name"},
      {[](Notify*, Webhook* w) { w->set_url("https://:8443/y"); }, at + ".url", "not a host"},
      {[](Notify*, Webhook* w) { w->set_url("https://x:0/y"); }, at + ".url", "1 to 65535"},
      {[](Notify*, Webhook* w) { w->set_url("https://x:65536/y"); }, at + ".url", "1 to 65535"},
      {[](Notify*, Webhook* w) { w->set_url("https://x:port?y"); }, at + ".url", "1 to 65535"},
      {[](Notify*, Webhook* w) { w->set_url("https://[::1/y"); }, at + ".url", "not a host"},
      {[](Notify*, Webhook* w) { w->set_backoff_min_ms(600'001); }, at + ".backoff_max_ms",
       "600000 < 600001"},
      {[](Notify*, Webhook* w) { w->set_backoff_max_ms(999); }, at + ".backoff_max_ms", "999 < 1000"},
      {[](Notify*, Webhook* w) { w->clear_secrets(); }, at + ".secrets", "is required"},
      {[](Notify*, Webhook* w) { *w->add_secrets() = w->secrets(0); }, at + ".secrets[1].key_id",
       "there twice"},
      {[](Notify*, Webhook* w) { w->set_concurrency(65); }, at + ".concurrency", "64"},
      {[](Notify* n, Webhook*) { *n->add_webhooks() = n->webhooks(0); }, "escalation.notify.webhooks[1].name",
       "there twice"},
  };
  for (const Case& c : cases) {
    SiteConfig site = good;
    Notify* const notify = site.mutable_escalation()->mutable_notify();
    c.change(notify, notify->mutable_webhooks(0));
    const std::vector<Problem> problems = CheckSite(site);
    bool found = false;
    for (const Problem& problem : problems) {
      found = found || (problem.path == c.path && problem.message.find(c.part) != std::string::npos);
    }
    EXPECT_TRUE(found) << c.path << " among\n" << Text(problems);
  }
}

SiteConfig SpoolSite() {
  SiteConfig site = GoodSite();
  config::v1::SigningKey& own = *site.mutable_signing()->add_keys();
  own.set_key_id("own");
  own.set_private_key_file("own.pem");
  config::v1::PeerConfig& peer = *site.mutable_peers(0);
  peer.clear_address();
  peer.add_public_keys()->set_key_id("k");
  peer.mutable_public_keys(0)->set_file("k.pem");
  peer.mutable_spool()->set_out_directory("spool/out");
  peer.mutable_spool()->set_in_directory("spool/in");
  return site;
}

TEST(SiteTest, ASpoolTakesThePlaceOfAnAddress) {
  EXPECT_EQ(Text(CheckSite(SpoolSite(), {.role = "dispatch"})), "");
  SiteConfig site = SpoolSite();
  // In a folder of their own they may lie where the stores do.
  site.mutable_peers(0)->mutable_spool()->set_in_directory(site.work_order().data_dir() + "/in");
  EXPECT_EQ(Text(CheckSite(site, {.role = "dispatch"})), "");
  ResolveDefaults(&site);
  EXPECT_EQ(site.peers(0).spool().max_bundle_bytes(), 8 << 20);
  EXPECT_EQ(site.peers(0).spool().quota_bytes(), 1 << 30);
  EXPECT_EQ(site.peers(0).spool().scan_interval_ms(), 500);
  EXPECT_EQ(site.peers(0).spool().resend_after_s(), 60);
}

TEST(SiteTest, EachRuleOfASpoolNamesItsField) {
  struct Case {
    std::function<void(SiteConfig*)> change;
    const char* path;
    const char* part;
  };
  const auto spool = [](SiteConfig* s) { return s->mutable_peers(0)->mutable_spool(); };
  const Case cases[] = {
      {[](SiteConfig* s) { s->mutable_peers(0)->set_address("127.0.0.1:1"); }, "peers[0].spool", "address"},
      {[](SiteConfig* s) { s->clear_signing(); }, "peers[0].spool", "signing"},
      {[](SiteConfig* s) { s->mutable_peers(0)->clear_public_keys(); }, "peers[0].spool", "public_keys"},
      {[&](SiteConfig* s) { spool(s)->clear_out_directory(); }, "peers[0].spool.out_directory", "required"},
      {[&](SiteConfig* s) { spool(s)->clear_in_directory(); }, "peers[0].spool.in_directory", "required"},
      {[&](SiteConfig* s) { spool(s)->set_in_directory("spool/./out/"); }, "peers[0].spool.in_directory",
       "is taken by peers[0].spool.out_directory"},
      {[](SiteConfig* s) {
         *s->add_peers() = s->peers(0);
         s->mutable_peers(1)->set_hotline("119");
       },
       "peers[1].spool.out_directory", "is taken by"},
      {[&](SiteConfig* s) { spool(s)->set_in_directory(s->work_order().data_dir() + "/./"); },
       "peers[0].spool.in_directory", "holds the folder of work_order.data_dir"},
      {[&](SiteConfig* s) { spool(s)->set_out_directory(s->escalation().data_dir()); },
       "peers[0].spool.out_directory", "holds the folder of escalation.data_dir"},
      {[&](SiteConfig* s) {
         s->mutable_backup()->set_directory("/backups/hotline");
         spool(s)->set_out_directory("/backups");
       },
       "peers[0].spool.out_directory", "holds the folder of backup.directory"},
      {[&](SiteConfig* s) {
         s->mutable_dispatch()->set_catalogue_dir("catalogue");
         spool(s)->set_in_directory("catalogue");
       },
       "peers[0].spool.in_directory", "holds the folder of dispatch.catalogue_dir"},
      {[&](SiteConfig* s) {
         s->mutable_log()->set_file("/var/log/hotline/{role}.log");
         spool(s)->set_in_directory("/var/log/hotline");
       },
       "peers[0].spool.in_directory", "holds the folder of log.file"},
      {[&](SiteConfig* s) {
         s->mutable_signing()->mutable_keys(0)->set_private_key_file("keys/own.pem");
         spool(s)->set_in_directory("keys");
       },
       "peers[0].spool.in_directory", "holds the folder of signing.keys"},
      {[&](SiteConfig* s) { spool(s)->set_out_directory("spool/in/rejected"); },
       "peers[0].spool.in_directory", "is taken by peers[0].spool.out_directory"},
      {[&](SiteConfig* s) { spool(s)->set_max_bundle_bytes(1 << 20); }, "peers[0].spool.max_bundle_bytes",
       "5242880"},
      {[&](SiteConfig* s) { spool(s)->set_max_bundle_bytes(65 << 20); }, "peers[0].spool.max_bundle_bytes",
       "67108864"},
      {[&](SiteConfig* s) { spool(s)->set_quota_bytes(16 << 20); }, "peers[0].spool.quota_bytes", "33554432"},
      {[&](SiteConfig* s) { spool(s)->set_scan_interval_ms(1); }, "peers[0].spool.scan_interval_ms", "10"},
      {[&](SiteConfig* s) { spool(s)->set_resend_after_s(-1); }, "peers[0].spool.resend_after_s", "1"},
  };
  for (const Case& c : cases) {
    SiteConfig site = SpoolSite();
    c.change(&site);
    const std::vector<Problem> problems = CheckSite(site, {.role = "dispatch"});
    bool found = false;
    for (const Problem& problem : problems) {
      found = found || (problem.path == c.path && problem.message.find(c.part) != std::string::npos);
    }
    EXPECT_TRUE(found) << c.path << " among\n" << Text(problems);
  }
}

TEST(SiteTest, MetricsAreAtNumbersOrAtLocalhost) {
  for (const char* address : {"localhost:0", "localhost:12311", "127.0.0.1:0", "10.0.0.5:12311"}) {
    SiteConfig site = GoodSite();
    site.mutable_dispatch()->mutable_listen()->set_metrics_address(address);
    EXPECT_EQ(Text(CheckSite(site, {.insecure_metrics = true})), "") << address;
  }
}

TEST(SiteTest, APortIsTakenUnderEveryNameOfItsAddress) {
  const auto text = [](const std::string& one, const std::string& other) {
    SiteConfig site = GoodSite();
    site.mutable_work_order()->mutable_listen()->set_address(one);
    site.mutable_work_order()->set_address("127.0.0.1:28801");
    site.mutable_dispatch()->mutable_listen()->set_address(other);
    return Text(CheckSite(site, {.insecure_listen = true}));
  };
  using Pair = std::pair<std::string, std::string>;
  for (const auto& [one, other] :
       {Pair("127.0.0.1:28802", "localhost:28802"), Pair("localhost:28802", "[::1]:28802"),
        Pair("0.0.0.0:28802", "127.0.0.1:28802"), Pair("[::1]:28802", "[::]:28802"),
        Pair("10.1.1.1:28802", "0.0.0.0:28802")}) {
    EXPECT_EQ(text(one, other),
              "dispatch.listen.address: " + other + " is taken by work_order.listen.address\n");
  }
  for (const auto& [one, other] :
       {Pair("127.0.0.1:28802", "localhost:28803"), Pair("127.0.0.1:28802", "127.0.0.2:28802"),
        Pair("10.1.1.1:28802", "10.1.1.2:28802"), Pair("0.0.0.0:0", "0.0.0.0:0")}) {
    EXPECT_EQ(text(one, other), "") << one << " " << other;
  }
}

TEST(SiteTest, OneProgramAloneMayNameItsLogAsItLikes) {
  SiteConfig site = GoodSite();
  site.mutable_log()->set_file("/var/log/{role}/hotline.log");
  EXPECT_EQ(Text(CheckSite(site)), "");
  site.mutable_log()->set_file("/var/log/hotline.log");
  EXPECT_NE(Text(CheckSite(site)), "");
  site.clear_dispatch();
  EXPECT_NE(Text(CheckSite(site)), "") << "there are two yet";
  site.clear_escalation();
  EXPECT_EQ(Text(CheckSite(site)), "");
}

TEST(SiteTest, BeyondLoopbackNeedsTlsOrTheFlag) {
  SiteConfig site = GoodSite();
  site.mutable_peers(0)->set_address("peer.example.cn:11001");
  site.mutable_dispatch()->mutable_listen()->set_address("0.0.0.0:12301");
  EXPECT_EQ(CheckSite(site, {}).size(), 2u);
  EXPECT_EQ(Text(CheckSite(site, {.insecure_listen = true})), "");
  EXPECT_NE(Text(CheckSite(site, {.insecure_metrics = true})), "") << "the gRPC address is none of its";
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
  EXPECT_EQ(site.dispatch().listen().max_message_bytes(), 8 << 20);
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
  EXPECT_EQ(site.work_order().confirm_within_s().normal(), 7200);
  EXPECT_EQ(site.work_order().confirm_within_s().urgent(), 1800);
  EXPECT_EQ(site.work_order().keep_after_s().emergency(), 180) << "as confirm_within_s";
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
  config::v1::Policy own;
  own.set_version("x");
  own.add_rules()->set_clock(type::v1::CLOCK_KIND_CONFIRM);
  own.mutable_rules(0)->set_limit_s(60);
  EXPECT_EQ(
      Text(CheckPolicy(own)),
      "rules[0].clock: has no rule here: its deadline is in each offer, see work_order.confirm_within_s\n");
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
log: {file: "logs/{role}.log"}
)";

// kSite with what `lines` say of notifications.
std::string WithNotify(const std::string& lines) {
  return absl::StrReplaceAll(kSite, {{"log: {", "  notify:\n" + lines + "log: {"}});
}

TEST_F(LoadSiteTest, FilesAreRelativeToTheFileThatNamesThem) {
  const std::string path = Put("site.yaml", kSite);
  Put("units.yaml", "units: [{code: scjgj, display_name: 市场监督管理局}]\n");
  Put("policy.yaml", "version: x\nrules: [{clock: SIGN, limit_s: 60}]\n");
  const auto loaded = LoadSite(path, {.role = "escalation"});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->site.tls().certificate_file(), folder_ + "/certs/escalation.crt");
  EXPECT_EQ(loaded->site.tls().key_file(), folder_ + "/certs/escalation.key");
  EXPECT_EQ(loaded->site.log().file(), folder_ + "/logs/escalation.log") << "a file for each program";
  EXPECT_EQ(loaded->site.work_order().data_dir(), folder_ + "/data");
  EXPECT_EQ(loaded->site.escalation().data_dir(), "/var/lib/hotline");
  EXPECT_EQ(loaded->units.units_size(), 1);
  EXPECT_EQ(loaded->policy.rules_size(), 1);
  EXPECT_EQ(loaded->site.work_order().address(), "127.0.0.1:12302");
}

TEST_F(LoadSiteTest, AFileWhereTheDataShouldBeIsRefused) {
  const std::string path = Put("site.yaml", kSite);
  Put("units.yaml", "units: [{code: scjgj, display_name: 市场监督管理局}]\n");
  Put("policy.yaml", "version: x\nrules: [{clock: SIGN, limit_s: 60}]\n");
  ASSERT_TRUE(LoadSite(path, {.role = "work_order"}).ok()) << "what is not there yet is made";
  Put("data", "");
  const std::string message(LoadSite(path, {.role = "work_order"}).status().message());
  EXPECT_NE(message.find("work_order.data_dir: " + folder_ + "/data is not a folder"), std::string::npos)
      << message;
  EXPECT_TRUE(LoadSite(path, {.role = "admin"}).ok()) << "doctor tells the rest all the same";
}

TEST_F(LoadSiteTest, SecretsOfWebhooksAreReadForEscalationAlone) {
  const std::string path =
      Put("site.yaml", WithNotify("    webhooks:\n      - name: sms\n        url: https://x/y\n"
                                  "        secrets: [{key_id: k, file: k.secret}]\n"));
  Put("units.yaml", "units: [{code: scjgj, display_name: 市场监督管理局}]\n");
  Put("policy.yaml", "version: x\nrules: [{clock: SIGN, limit_s: 60}]\n");
  const std::string file = Put("k.secret", "sixteen bytes or more\n");
  std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  auto loaded = LoadSite(path, {.role = "escalation"});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->webhook_secrets.at("sms").at(0).second, "sixteen bytes or more");
  loaded = LoadSite(path, {.role = "dispatch"});
  EXPECT_TRUE(!loaded.ok() || loaded->webhook_secrets.empty());
  std::filesystem::permissions(file, std::filesystem::perms::others_read, std::filesystem::perm_options::add);
  const std::string message(LoadSite(path, {.role = "escalation"}).status().message());
  EXPECT_NE(message.find("webhooks[0].secrets[0].file"), std::string::npos) << message;
  EXPECT_NE(message.find("open to everybody"), std::string::npos) << message;
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  Put("k.secret", "short");
  EXPECT_FALSE(LoadSite(path, {.role = "escalation"}).ok());
}

TEST_F(LoadSiteTest, AnAuthorityOfAWebhookIsReadBeforeTheFirstMessage) {
  const std::string path =
      Put("site.yaml",
          WithNotify("    webhooks:\n      - name: sms\n        url: https://x/y\n"
                     "        ca_file: gateway.crt\n        secrets: [{key_id: k, file: k.secret}]\n"));
  Put("units.yaml", "units: [{code: scjgj, display_name: 市场监督管理局}]\n");
  Put("policy.yaml", "version: x\nrules: [{clock: SIGN, limit_s: 60}]\n");
  std::filesystem::permissions(Put("k.secret", "sixteen bytes or more\n"),
                               std::filesystem::perms::owner_read);
  for (const char* content : {"", "no certificate\n"}) {
    if (*content != '\0') Put("gateway.crt", content);
    const std::string message(LoadSite(path, {.role = "escalation"}).status().message());
    EXPECT_NE(message.find("webhooks[0].ca_file"), std::string::npos) << message;
    EXPECT_NE(message.find(folder_ + "/gateway.crt"), std::string::npos) << message;
  }
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
  EXPECT_EQ(std::string(LoadSite(path, {.role = "work_order"}).status().message()),
            units + ":2:4: units[0].code: must be 1 to 32 of a-z 0-9 _ -, not \"Ä\"");
  std::filesystem::remove(units);
  EXPECT_EQ(LoadSite(path, {.role = "work_order"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(LoadSite(folder_ + "/none.yaml", {}).status().message()),
            "cannot read " + folder_ + "/none.yaml: No such file or directory");
  EXPECT_EQ(std::string(LoadSite(folder_, {}).status().message()),
            "cannot read " + folder_ + ": Is a directory");
}

// A half-finished edit of the policy and a power cut, and no order could be taken.
TEST_F(LoadSiteTest, AFaultIsForWhoCannotDoWithoutTheFile) {
  const std::string path = Put("site.yaml", R"(hotline: 12345
units_file: units.yaml
work_order:
  listen: {address: "127.0.0.1:12302"}
  data_dir: data
dispatch:
  listen: {address: "127.0.0.1:12301"}
  catalogue_dir: catalogue
escalation:
  listen: {address: "127.0.0.1:12303"}
  data_dir: data2
  policy_file: policy.yaml
)");
  std::filesystem::create_directory(folder_ + "/catalogue");
  std::filesystem::copy(HOTLINE_SOURCE_DIR "/deploy/catalogue/wuqia.yaml", folder_ + "/catalogue/wuqia.yaml");
  const std::string good_units = "units: [{code: scjgj, display_name: 市场监督管理局}]\n";
  const std::string units = Put("units.yaml", good_units);
  // A rule half written.
  const std::string policy = Put("policy.yaml", "version: x\nrules:\n- {clock: SIGN, limit_s: 60}\n- {clo\n");
  for (const char* role : {"work_order", "admin"}) {
    const auto loaded = LoadSite(path, {.role = role});
    ASSERT_TRUE(loaded.ok()) << role << ": " << loaded.status();
    EXPECT_TRUE(loaded->warnings.empty()) << role << ": it is none of its business";
  }
  auto dispatch = LoadSite(path, {.role = "dispatch"});
  ASSERT_TRUE(dispatch.ok()) << dispatch.status();
  ASSERT_EQ(dispatch->warnings.size(), 1u);
  EXPECT_EQ(dispatch->warnings[0].find("advice names no deadlines until dispatch is started again, as "
                                       "escalation.policy_file cannot be used"),
            0u);
  EXPECT_NE(dispatch->warnings[0].find(policy + ":"), std::string::npos) << dispatch->warnings[0];
  EXPECT_TRUE(dispatch->policy.rules().empty()) << "not by half of it";
  EXPECT_EQ(dispatch->units.units_size(), 1);
  const std::string refused(LoadSite(path, {.role = "escalation"}).status().message());
  EXPECT_EQ(refused.find(policy + ":"), 0u) << refused;

  Put("policy.yaml", "version: x\nrules: [{clock: SIGN, limit_s: 60}]\n");
  Put("units.yaml", "units:\n- {code: Ä, display_name: x}\n");
  for (const char* role : {"work_order", "escalation"}) {
    const std::string message(LoadSite(path, {.role = role}).status().message());
    EXPECT_EQ(message.find(units + ":2:4"), 0u) << role << ": " << message;
  }
  EXPECT_TRUE(LoadSite(path, {.role = "admin"}).ok());
  dispatch = LoadSite(path, {.role = "dispatch"});
  ASSERT_TRUE(dispatch.ok()) << dispatch.status();
  ASSERT_EQ(dispatch->warnings.size(), 1u);
  EXPECT_NE(dispatch->warnings[0].find(
                "until dispatch is started again, as units_file cannot be used: " + units + ":2:4"),
            std::string::npos)
      << dispatch->warnings[0];
  EXPECT_TRUE(dispatch->units.units().empty());
  EXPECT_EQ(dispatch->policy.rules_size(), 1);

  Put("units.yaml", good_units);
  for (const char* role : {"dispatch", "escalation"}) {
    const auto loaded = LoadSite(path, {.role = role});
    ASSERT_TRUE(loaded.ok()) << role << ": " << loaded.status();
    EXPECT_TRUE(loaded->warnings.empty()) << role;
  }
}

TEST(SiteTest, EachRuleOfKeysNamesItsField) {
  struct Case {
    const char* text;
    const char* problem;
  };
  const Case cases[] = {
      {"signing: {}", "signing.keys: is required"},
      {"signing: {keys: [{private_key_file: a}]}", "signing.keys[0].key_id: is required"},
      {"signing: {keys: [{key_id: a b, private_key_file: a}]}", "signing.keys[0].key_id: must be 1 to 64"},
      {"signing: {keys: [{key_id: a}]}", "signing.keys[0].private_key_file: is required"},
      {"signing: {keys: [{key_id: a, private_key_file: a}, {key_id: b, private_key_file: b}]}",
       "signing.keys[1].not_before_time: is that of signing.keys[0] too"},
      {"signing: {keys: [{key_id: a, private_key_file: a, not_before_time: tomorrow}]}",
       "\"tomorrow\" is not a time like"},
      {"signing: {keys: [{key_id: a, private_key_file: a, not_before_time: infinite-past}]}",
       "\"infinite-past\" is not a time like"},
      {"signing: {keys: [{key_id: a, private_key_file: a}], retired_keys: [{key_id: a, file: f}]}",
       "signing.retired_keys[0].key_id: a is there twice"},
      {"peers: [{hotline: 110, address: \"127.0.0.1:1\", public_keys: [{key_id: a}]}]",
       "peers[0].public_keys[0].file: is required"},
      {"peers: [{hotline: 110, address: \"127.0.0.1:1\", public_keys: [{key_id: a, file: f, "
       "not_before_time: \"2026-12-01T00:00:00+08:00\", not_after_time: \"2026-11-30T16:00:00Z\"}]}]",
       "peers[0].public_keys[0].not_after_time: must be after not_before_time"},
  };
  for (const Case& c : cases) {
    SiteConfig site;
    ASSERT_TRUE(ParseYaml(std::string("hotline: 12345\n") + c.text, "site.yaml", &site).ok()) << c.text;
    const std::string text = Text(CheckSite(site, {}));
    EXPECT_NE(text.find(c.problem), std::string::npos) << c.text << "\n" << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  }
}

constexpr char kSigningSite[] = R"(hotline: 12345
peers:
  - hotline: 110
    address: 127.0.0.1:11001
    public_keys:
      - {key_id: a, file: keys/110/a.pub, not_after_time: "2026-12-01T00:00:00+08:00"}
      - {key_id: b, file: keys/110/b.pub, not_before_time: "2026-11-30T00:00:00+08:00"}
signing:
  keys:
    - {key_id: a, private_key_file: keys/12345/a.key}
    - {key_id: s, private_key_file: keys/12345/s.key, not_before_time: "2026-12-01T00:00:00+08:00"}
  retired_keys:
    - {key_id: old, file: keys/12345/old.pub}
work_order:
  listen: {address: "127.0.0.1:12302"}
  data_dir: data
dispatch:
  listen: {address: "127.0.0.1:12301"}
escalation:
  listen: {address: "127.0.0.1:12303"}
  data_dir: data2
  policy_file: policy.yaml
)";

TEST_F(LoadSiteTest, KeysAreReadForWhoSignsAndVerifies) {
  const std::string path = Put("site.yaml", kSigningSite);
  Put("policy.yaml", "version: x\nrules: [{clock: SIGN, limit_s: 60}]\n");
  const auto make = [&](const std::string& rest) {
    return std::system((HOTLINE_SOURCE_DIR "/deploy/keys/make --dir " + folder_ + "/keys " + rest + " > " +
                        folder_ + "/log 2>&1")
                           .c_str());
  };
  ASSERT_EQ(make("--id a 12345 110"), 0);
  ASSERT_EQ(make("--id b 110"), 0);
  ASSERT_EQ(make("--id old 12345"), 0);

  // Each file that is missing is told with its place, and others with it.
  const std::string problem(LoadSite(path, {.role = "dispatch"}).status().message());
  EXPECT_EQ(problem.rfind(path + ":11:19: signing.keys[1].private_key_file: " + folder_ +
                              "/keys/12345/s.key: cannot read it",
                          0),
            0u)
      << problem;
  EXPECT_EQ(std::count(problem.begin(), problem.end(), '\n'), 0) << problem;
  ASSERT_EQ(make("--id s --sm2 12345"), 0);

  for (const char* role : {"dispatch", "work_order"}) {
    const auto loaded = LoadSite(path, {.role = role});
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    const absl::Time change = absl::FromCivil(absl::CivilDay(2026, 12, 1), absl::FixedTimeZone(8 * 3600));
    EXPECT_EQ(loaded->signing.At(change - absl::Seconds(1))->key_id(), "a");
    ASSERT_EQ(loaded->signing.At(change)->key_id(), "s");
    const crypto::Signer& own = *loaded->signing.At(change);
    EXPECT_EQ(own.algorithm(), crypto::Algorithm::kSm2Sm3);
    EXPECT_TRUE(
        loaded->keys.Verify("12345", "s", own.algorithm(), "x", "y", *own.Sign("x", "y"), change).ok());
    EXPECT_NE(loaded->keys.Find("12345", "old"), nullptr);

    const auto peer = crypto::Signer::Load("a", folder_ + "/keys/110/a.key");
    ASSERT_TRUE(peer.ok()) << peer.status();
    const std::string signature = *peer->Sign("x", "y");
    const auto verify = [&](absl::Time at) {
      return loaded->keys.Verify("110", "a", peer->algorithm(), "x", "y", signature, at).ok();
    };
    EXPECT_TRUE(verify(change - absl::Seconds(1)));
    EXPECT_FALSE(verify(change));
  }
  // Others have no business with keys.
  const auto other = LoadSite(path, {.role = "escalation"});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE(other->signing.empty());
  EXPECT_TRUE(other->keys.empty());
}

}  // namespace
}  // namespace hotline::boot
