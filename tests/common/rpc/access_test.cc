#include "common/rpc/access.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "common/error/error.h"

namespace hotline::rpc {
namespace {

constexpr const char* kLedger = "hotline.workorder.v1.LedgerService";
constexpr const char* kExchange = "hotline.exchange.v1.ExchangeService";
constexpr const char* kDesktopServices[] = {
    "hotline.dispatch.v1.DispatchService", "hotline.workorder.v1.WorkOrderService",
    "hotline.escalation.v1.EscalationService", "hotline.escalation.v1.NotificationService"};
constexpr const char* kRoles[] = {"desktop",    "supervisor", "admin",  "dispatch",
                                  "escalation", "work_order", "visitor"};

const AccessPolicy kSite = {.hotline = "12345", .peers = {"110", "119"}};

bool Allowed(const std::string& hotline, const std::string& role, const char* service) {
  return CheckAccess(kSite, {.hotline = hotline, .role = role}, service, "Any").ok();
}

TEST(AccessTest, LedgerIsForTheSitesOwnServices) {
  const std::set<std::string> allowed = {"dispatch", "escalation", "admin"};
  for (const char* role : kRoles) {
    EXPECT_EQ(Allowed("12345", role, kLedger), allowed.count(role) == 1) << role;
    EXPECT_FALSE(Allowed("110", role, kLedger)) << role;
  }
}

TEST(AccessTest, ExchangeIsForThePeersDispatch) {
  for (const char* role : kRoles) {
    EXPECT_EQ(Allowed("110", role, kExchange), std::string(role) == "dispatch") << role;
    EXPECT_FALSE(Allowed("12345", role, kExchange)) << role;
    EXPECT_FALSE(Allowed("120", role, kExchange)) << role;
  }
  EXPECT_TRUE(Allowed("119", "dispatch", kExchange));
  EXPECT_EQ(error::ReasonOf(CheckAccess(kSite, {.hotline = "120", .role = "dispatch"}, kExchange, "Deliver")),
            type::v1::ERROR_REASON_PEER_UNKNOWN);
}

TEST(AccessTest, DesktopServicesAreForTheSitesOwnPeople) {
  for (const char* service : kDesktopServices) {
    for (const char* role : kRoles) {
      EXPECT_EQ(Allowed("12345", role, service), std::string(role) != "visitor") << service << " " << role;
      EXPECT_FALSE(Allowed("110", role, service)) << service << " " << role;
    }
  }
}

TEST(AccessTest, TheDirectoryIsForSupervisors) {
  constexpr const char* kDirectory = "hotline.escalation.v1.DirectoryService";
  for (const char* role : kRoles) {
    EXPECT_EQ(Allowed("12345", role, kDirectory),
              role == std::string("supervisor") || role == std::string("admin"))
        << role;
    EXPECT_FALSE(Allowed("110", role, kDirectory)) << role;
  }
}

// A desktop's certificate moved every deadline of the site.
TEST(AccessTest, WhatHoldsForTheWholeSiteIsForSupervisorsToChange) {
  const struct {
    const char* service;
    const char* changes;
    const char* looks;
  } kCases[] = {{"hotline.escalation.v1.EscalationService", "PublishRules", "PreviewRules"},
                {"hotline.dispatch.v1.DispatchService", "ReloadCatalogue", "GetCatalogue"}};
  for (const auto& c : kCases) {
    for (const char* role : kRoles) {
      const bool may = role == std::string("supervisor") || role == std::string("admin");
      const Identity identity = {.hotline = "12345", .role = role};
      EXPECT_EQ(CheckAccess(kSite, identity, c.service, c.changes).ok(), may) << c.changes << " " << role;
      EXPECT_EQ(CheckAccess(kSite, identity, c.service, c.looks).ok(), role != std::string("visitor"))
          << c.looks << " " << role;
    }
    EXPECT_FALSE(CheckAccess(kSite, {.hotline = "110", .role = "admin"}, c.service, c.changes).ok());
  }
}

TEST(AccessTest, ARefusalNamesWhoMay) {
  const Identity desktop = {.hotline = "12345", .role = "desktop"};
  const absl::Status publishing =
      CheckAccess(kSite, desktop, "hotline.escalation.v1.EscalationService", "PublishRules");
  EXPECT_NE(std::string(publishing.message()).find("who may: 12345/supervisor, 12345/admin"),
            std::string::npos)
      << publishing;
  EXPECT_NE(error::ChineseOf(publishing).find("有权的身份：12345/supervisor, 12345/admin"),
            std::string::npos);
  EXPECT_NE(
      std::string(CheckAccess(kSite, {.hotline = "110", .role = "desktop"}, kExchange, "Deliver").message())
          .find("who may: 110/dispatch, 119/dispatch"),
      std::string::npos);
  EXPECT_EQ(std::string(CheckAccess(kSite, desktop, "hotline.other.v1.OtherService", "Any").message())
                .find("who may"),
            std::string::npos);
}

TEST(AccessTest, WhatTheTableDoesNotNameIsRefused) {
  for (const char* role : kRoles)
    EXPECT_FALSE(Allowed("12345", role, "hotline.other.v1.OtherService")) << role;
  EXPECT_FALSE(Allowed("12345", "", kLedger));
  EXPECT_FALSE(Allowed("", "", kExchange));
  const absl::Status status = CheckAccess(kSite, {.hotline = "12345", .role = "desktop"}, kLedger, "Execute");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(error::ReasonOf(status), type::v1::ERROR_REASON_ROLE_FORBIDDEN);
}

TEST(AccessTest, ReadsIdentities) {
  const auto identity = ParseSpiffeId("spiffe://hotline/12345/work_order");
  ASSERT_TRUE(identity.has_value());
  EXPECT_EQ(identity->hotline, "12345");
  EXPECT_EQ(identity->role, "work_order");
  EXPECT_EQ(FormatIdentity(*identity), "12345/work_order");
  EXPECT_EQ(HotlineOf("12345/work_order"), "12345");
  EXPECT_EQ(HotlineOf(""), "");
  for (const char* uri : {"", "spiffe://hotline/", "spiffe://hotline/12345", "spiffe://hotline/12345/",
                          "spiffe://hotline//dispatch", "spiffe://other/12345/dispatch",
                          "https://hotline/12345/dispatch", "spiffe://hotline/12345/dispatch/x",
                          "spiffe://hotline/12-45/dispatch", "spiffe://hotline/12345678901234567/dispatch",
                          "spiffe://hotline/12345/Dispatch", "SPIFFE://hotline/12345/dispatch"}) {
    EXPECT_FALSE(ParseSpiffeId(uri).has_value()) << uri;
  }
}

}  // namespace
}  // namespace hotline::rpc
