// hotlinectl as a person and a script run it: what it says where no service is, and what it makes of the
// answers of services that the test plays.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/rpc/client.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "hotline/dispatch/v1/dispatch_service.grpc.pb.h"
#include "hotline/escalation/v1/directory_service.grpc.pb.h"
#include "hotline/escalation/v1/escalation_service.grpc.pb.h"
#include "hotline/escalation/v1/notification_service.grpc.pb.h"
#include "hotline/escalation/v1/report_service.grpc.pb.h"
#include "hotline/workorder/v1/work_order_service.grpc.pb.h"
#include "tests/operation/ctl.h"
#include "tests/support/process.h"

namespace hotline::test {
namespace {

using namespace escalation::v1;  // NOLINT(google-build-using-namespace): most that is played here
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

constexpr char kTelephone[] = "USE THE TELEPHONE NOW";
const Words kOrder = {"--title", "路灯不亮", "--text", "示例", "--type", "complaint", "--anonymous"};

Words Joined(Words first, const Words& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

int64_t LinesOf(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

// ---- Where nobody listens.

class NobodyThereTest : public testing::Test {
 protected:
  Said Run(const Words& arguments) {
    return RunCtl(folder_, Joined({"--lang", "en", "--account", "1001", "--timeout", "100ms", "--dispatch",
                                   address_, "--work-order", address_, "--escalation", address_},
                                  arguments));
  }
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }

  TemporaryFolder folder_;
  Ports ports_;
  const std::string address_ = absl::StrCat("127.0.0.1:", ports_.Take());
};

TEST_F(NobodyThereTest, WhatCannotWaitNeedsTheTelephone) {
  const std::vector<Words> commands = {
      Joined({"push", "--to", "110", "--urgency", "emergency"}, kOrder),
      Joined({"push", "--danger", "yes"}, kOrder),
      Joined({"push", "--to", "110", "--urgency", "urgent", "--kind", "stability-clue"}, kOrder),
      Joined({"push", "--clue", "yes"}, kOrder),
      Joined({"refer-from-scene", "--guidance", "g", "--request", "push", "--urgency", "emergency"}, kOrder),
      Joined({"refer-from-scene", "--guidance", "g", "--request", "bring-unit"}, kOrder),
      // Of an order that exists nobody says how urgent it is.
      {"push", "12345-20261128-000001", "--to", "110"},
      {"partners", "push", "12345-20261128-000001", "--to", "110"},
      {"refer-from-scene", "12345-20261128-000001", "--guidance", "g", "--request", "push"},
  };
  for (const Words& command : commands) {
    const Said said = Run(command);
    EXPECT_EQ(said.exit, 8) << testing::PrintToString(command);
    EXPECT_THAT(said.err, HasSubstr(kTelephone)) << testing::PrintToString(command);
  }
}

TEST_F(NobodyThereTest, WhatCanWaitIsTriedAgain) {
  for (const Words& command :
       {Joined({"push", "--to", "110", "--urgency", "urgent"}, kOrder),
        Joined({"refer-from-scene", "--guidance", "g", "--request", "push"}, kOrder)}) {
    const Said said = Run(command);
    EXPECT_EQ(said.exit, 6) << testing::PrintToString(command);
    EXPECT_THAT(said.err, Not(HasSubstr(kTelephone))) << testing::PrintToString(command);
  }
}

// Nothing is sent: where nobody listens, that would end with 6 or 8.
TEST_F(NobodyThereTest, ANewOrderNeedsItsCaller) {
  const Words matter = {"--title", "路灯不亮", "--text", "示例", "--type", "complaint"};
  const std::vector<Words> nobody = {{}, {"--phone", ""}, {"--name=", "--contact-phone", " "}, {"--secret"}};
  for (const Words& caller : nobody) {
    for (const char* command : {"push", "register"}) {
      const Said said = Run(Joined(Joined({command}, matter), caller));
      EXPECT_EQ(said.exit, 2) << command << testing::PrintToString(caller) << said.err;
      EXPECT_THAT(said.err, HasSubstr("give --phone (or --contact-phone), --name or --anonymous"));
    }
  }
  for (const Words& caller : std::vector<Words>{
           {"--phone", "1"}, {"--contact-phone", "1"}, {"--name", "古丽（示例）"}, {"--anonymous"}}) {
    for (const char* command : {"push", "register"}) {
      const Said said = Run(Joined(Joined({command, "--urgency", "normal"}, matter), caller));
      EXPECT_EQ(said.exit, 6) << command << testing::PrintToString(caller) << said.err;
    }
  }
}

TEST_F(NobodyThereTest, ARowWithoutACallerIsRefusedAlone) {
  const std::string file = Path("orders.csv");
  WriteFile(file,
            "标题,内容,type,来电号码,匿名,to\n"
            "路灯不亮,示例,help,,否,110\n");
  const Said said = Run({"push", "--file", file, "--rejects", Path("rejects.csv")});
  EXPECT_EQ(said.exit, 3) << said.err;
  EXPECT_THAT(said.err, AllOf(HasSubstr("row 1 (line 2): "), HasSubstr("a new order needs its caller")));
  EXPECT_THAT(ReadFile(Path("rejects.csv")), HasSubstr("路灯不亮"));
  // What is given beside the file fills the row in, and an order that exists has its caller.
  EXPECT_EQ(Run({"push", "--file", file, "--name", "古丽（示例）"}).exit, 6);
  const std::string json = Path("orders.json");
  WriteFile(json, R"({"header":{"orderId":"12345-20261128-000001"},"offer":{"toHotline":"110"}})");
  EXPECT_EQ(Run({"push", "--file", json}).exit, 6);
}

TEST_F(NobodyThereTest, EachRowOfAFileThatCannotWaitIsNamed) {
  const std::string head = "title,text,type,channel,urgency,anonymous,to,kind,clue\n";
  const std::string normal = "路灯不亮,示例,help,phone,normal,yes,110,,\n";
  const std::string kind = "聚集,示例,report,phone,urgent,yes,110,stability-clue,\n";
  const std::string clue = "聚集,示例,report,phone,,yes,,,yes\n";
  const std::string file = Path("orders.csv");
  // The first is tried and fails, which ends the run.
  for (const std::string& rows : {kind + clue, normal + clue + kind}) {
    WriteFile(file, head + rows);
    const Said said = Run({"push", "--file", file});
    EXPECT_EQ(said.exit, 8) << said.err;
    EXPECT_THAT(said.err, HasSubstr(absl::StrCat("row 2 (line 3): ", kTelephone))) << rows;
  }
  WriteFile(file, head + kind + clue);
  EXPECT_THAT(Run({"push", "--file", file}).err, HasSubstr(absl::StrCat("row 1 (line 2): ", kTelephone)));
  const Said json = Run({"--json", "push", "--file", file});
  EXPECT_EQ(json.exit, 8);
  EXPECT_EQ(LinesOf(json.out), 3) << json.out;
  EXPECT_THAT(json.out, HasSubstr("{\"row\":1,\"line\":2,\"error\":{"));
  EXPECT_THAT(json.out, HasSubstr("\"telephoneRequired\":true,\"exit\":8}}"));
  EXPECT_THAT(json.out, HasSubstr("{\"row\":2,\"line\":3,\"requestId\":\""));
  EXPECT_THAT(json.out, HasSubstr("\"notTried\":true,\"telephoneRequired\":true}"));
}

TEST_F(NobodyThereTest, RejectsThatCannotBeWrittenHideNoEmergency) {
  const std::string file = Path("orders.csv");
  WriteFile(file,
            "title,text,type,channel,urgency,anonymous,to\n"
            "路灯不亮,示例,help,phone,sometimes,yes,110\n"
            "着火,示例,help,phone,emergency,yes,110\n");
  const Said said = Run({"push", "--file", file, "--rejects", Path("none/rejects.csv")});
  EXPECT_EQ(said.exit, 8);
  EXPECT_THAT(said.err, AllOf(HasSubstr("cannot write"), HasSubstr(kTelephone)));
}

// ---- Services that the test plays.

constexpr int kAll = 51;

// The first page of so many.
template <typename Request, typename Response, typename Add>
grpc::Status FirstPage(const Request& request, Response* response, Add add) {
  for (int i = 0; i < std::min(request.page_size(), kAll); ++i) add();
  if (request.page_size() < kAll) response->set_next_page_token("more");
  return grpc::Status::OK;
}

class Dispatch final : public dispatch::v1::DispatchService::Service {
 public:
  grpc::Status PushToPartners(grpc::ServerContext* /*context*/,
                              const dispatch::v1::PushToPartnersRequest* /*request*/,
                              dispatch::v1::PushToPartnersResponse* /*response*/) override {
    return {grpc::StatusCode::INTERNAL, "nobody can say"};
  }
  grpc::Status ReconcileLink(grpc::ServerContext* /*context*/,
                             const dispatch::v1::ReconcileLinkRequest* request,
                             dispatch::v1::ReconcileLinkResponse* /*response*/) override {
    return rpc::ToGrpc(error::PeerUnreachable(request->peer()));
  }
  // What is in order is pushed; a request id that is known is answered as the first time. The title 无单位 is
  // one whose unit nobody knows.
  grpc::Status BatchPushWorkOrders(grpc::ServerContext* /*context*/,
                                   const dispatch::v1::BatchPushWorkOrdersRequest* request,
                                   dispatch::v1::BatchPushWorkOrdersResponse* response) override {
    MutexLock lock(&mu_);
    for (const dispatch::v1::PushWorkOrderRequest& push : request->requests()) {
      dispatch::v1::BatchPushResult& result = *response->add_results();
      const std::string prefix = absl::StrCat("requests[", response->results_size() - 1, "]");
      const auto refuse = [&](const absl::Status& status) {
        *result.mutable_error() = error::ToProto(error::WithFieldPrefix(status, prefix));
      };
      if (push.content().title().empty()) {
        refuse(error::Required("content.title"));
      } else if (push.content().title() == "无单位") {
        refuse(error::BadField(type::v1::ERROR_REASON_UNIT_UNKNOWN, "content.lead_unit", "is unknown",
                               "不在名录中"));
      } else {
        const auto [known, fresh] = offered_.try_emplace(push.header().request_id(), absl::Now() + ahead_);
        *result.mutable_response()->mutable_order()->mutable_handoff()->mutable_offer_time() =
            ToTimestamp(known->second);
      }
    }
    return grpc::Status::OK;
  }
  grpc::Status ReloadCatalogue(grpc::ServerContext* /*context*/,
                               const dispatch::v1::ReloadCatalogueRequest* /*request*/,
                               dispatch::v1::ReloadCatalogueResponse* /*response*/) override {
    return {grpc::StatusCode::DEADLINE_EXCEEDED, "too long"};
  }
  grpc::Status ListLinks(grpc::ServerContext* /*context*/, const dispatch::v1::ListLinksRequest* /*request*/,
                         dispatch::v1::ListLinksResponse* response) override {
    MutexLock lock(&mu_);
    if (!links_.ok()) return rpc::ToGrpc(links_);
    *response->add_links() = link_;
    return grpc::Status::OK;
  }

  void SetLink(dispatch::v1::LinkStatus link) {
    MutexLock lock(&mu_);
    link_ = std::move(link);
  }
  // What it is answered with, instead of a link.
  void FailLinks(absl::Status links) {
    MutexLock lock(&mu_);
    links_ = std::move(links);
  }
  // How far the site's clock is ahead.
  void SetAhead(absl::Duration ahead) {
    MutexLock lock(&mu_);
    ahead_ = ahead;
  }

 private:
  Mutex mu_;
  absl::Status links_ ABSL_GUARDED_BY(mu_);
  dispatch::v1::LinkStatus link_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, absl::Time> offered_ ABSL_GUARDED_BY(mu_);
  absl::Duration ahead_ ABSL_GUARDED_BY(mu_);
};

class Reports final : public ReportService::Service {
 public:
  grpc::Status ListLamps(grpc::ServerContext* /*context*/, const ListLampsRequest* /*request*/,
                         ListLampsResponse* response) override {
    MutexLock lock(&mu_);
    if (away_) return {grpc::StatusCode::INTERNAL, "nobody can say"};
    *response->mutable_server_time() = ToTimestamp(absl::Now() + ahead_);
    return grpc::Status::OK;
  }

  void SetAhead(absl::Duration ahead) {
    MutexLock lock(&mu_);
    ahead_ = ahead;
  }
  void SetAway(bool away) {
    MutexLock lock(&mu_);
    away_ = away;
  }

 private:
  Mutex mu_;
  absl::Duration ahead_ ABSL_GUARDED_BY(mu_);
  bool away_ ABSL_GUARDED_BY(mu_) = false;
};

class Healthy final : public grpc::health::v1::Health::Service {
 public:
  grpc::Status Check(grpc::ServerContext* /*context*/,
                     const grpc::health::v1::HealthCheckRequest* /*request*/,
                     grpc::health::v1::HealthCheckResponse* response) override {
    response->set_status(grpc::health::v1::HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  }
};

class Orders final : public workorder::v1::WorkOrderService::Service {
 public:
  grpc::Status ListWorkOrders(grpc::ServerContext* /*context*/,
                              const workorder::v1::ListWorkOrdersRequest* request,
                              workorder::v1::ListWorkOrdersResponse* response) override {
    if (!request->filter().unit().empty() && request->filter().unit() != "zhujianju") {
      return rpc::ToGrpc(error::BadField(type::v1::ERROR_REASON_UNIT_UNKNOWN, "filter.unit",
                                         "a unit's code is needed", "应为单位代码"));
    }
    return FirstPage(*request, response, [&] { response->add_orders()->set_number("1"); });
  }
  // How urgent an order is, is its id.
  grpc::Status GetWorkOrder(grpc::ServerContext* /*context*/,
                            const workorder::v1::GetWorkOrderRequest* request,
                            workorder::v1::GetWorkOrderResponse* response) override {
    type::v1::Urgency urgency = type::v1::URGENCY_UNSPECIFIED;
    type::v1::Urgency_Parse("URGENCY_" + request->order_id(), &urgency);
    response->mutable_order()->set_urgency(urgency);
    return grpc::Status::OK;
  }
  grpc::Status VerifyLog(grpc::ServerContext* /*context*/, const workorder::v1::VerifyLogRequest* /*request*/,
                         workorder::v1::VerifyLogResponse* /*response*/) override {
    return {grpc::StatusCode::DEADLINE_EXCEEDED, "too long"};
  }
};

class Clocks final : public EscalationService::Service {
 public:
  grpc::Status ListDeadlines(grpc::ServerContext* /*context*/, const ListDeadlinesRequest* request,
                             ListDeadlinesResponse* response) override {
    return FirstPage(*request, response, [&] { response->add_deadlines()->set_order_id("1"); });
  }
};

class Notices final : public NotificationService::Service {
 public:
  grpc::Status ListNotifications(grpc::ServerContext* /*context*/, const ListNotificationsRequest* request,
                                 ListNotificationsResponse* response) override {
    return FirstPage(*request, response, [&] {
      auto& notice = *response->add_notices();
      notice.set_notification_id("1");
      notice.set_person_id("p1");
      notice.set_role("leader");
      notice.set_capacity("copy");
      notice.set_channel("desktop");
    });
  }
  grpc::Status ListDeliveries(grpc::ServerContext* /*context*/, const ListDeliveriesRequest* request,
                              ListDeliveriesResponse* response) override {
    return FirstPage(*request, response,
                     [&] { response->add_deliveries()->mutable_notification()->set_id("1"); });
  }
  // One message, and the end of the stream.
  grpc::Status WatchNotifications(grpc::ServerContext* /*context*/,
                                  const WatchNotificationsRequest* /*request*/,
                                  grpc::ServerWriter<WatchNotificationsResponse>* writer) override {
    WatchNotificationsResponse response;
    Notification& message = *response.add_notifications();
    message.set_sequence(1);
    message.set_id("1");
    response.set_watermark(1);
    writer->Write(response);
    return grpc::Status::OK;
  }
};

// Unit u1, where p1 is the handler for one term after another.
class People final : public DirectoryService::Service {
 public:
  grpc::Status ListDirectoryChanges(grpc::ServerContext* /*context*/,
                                    const ListDirectoryChangesRequest* request,
                                    ListDirectoryChangesResponse* response) override {
    return FirstPage(*request, response, [&] { response->add_changes()->set_version(1); });
  }
  grpc::Status ListDirectory(grpc::ServerContext* /*context*/, const ListDirectoryRequest* request,
                             ListDirectoryResponse* response) override {
    MutexLock lock(&mu_);
    if (request->unit() == "住建局" || request->unit() == "zhujianju") {
      response->add_entries()->mutable_unit()->set_code("zhujianju");
      return grpc::Status::OK;
    }
    if (request->unit() != "u1") {
      return rpc::ToGrpc(error::DirectoryUnknown("unit", "unit", "单位", request->unit()));
    }
    for (const absl::CivilDay& day : terms_) *response->add_entries()->mutable_role() = Term(day);
    return grpc::Status::OK;
  }
  grpc::Status ChangeDirectory(grpc::ServerContext* /*context*/, const ChangeDirectoryRequest* request,
                               ChangeDirectoryResponse* response) override {
    MutexLock lock(&mu_);
    for (const DirectoryEdit& edit : request->edits()) {
      removed_.push_back(edit.remove().role().validity().from_time().seconds());
      *response->add_changes()->mutable_before() = edit.remove();
    }
    return grpc::Status::OK;
  }

  void SetTerms(std::vector<absl::CivilDay> terms) {
    MutexLock lock(&mu_);
    terms_ = std::move(terms);
  }
  // When the terms that were removed began.
  std::vector<int64_t> removed() const {
    MutexLock lock(&mu_);
    return removed_;
  }
  static int64_t Begin(const absl::CivilDay& day) {
    return absl::ToUnixSeconds(absl::FromCivil(day, Beijing()));
  }

 private:
  static RoleAssignment Term(const absl::CivilDay& day) {
    RoleAssignment role;
    role.set_unit("u1");
    role.set_role(STAFF_ROLE_HANDLER);
    role.set_person("p1");
    role.mutable_validity()->mutable_from_time()->set_seconds(Begin(day));
    return role;
  }

  mutable Mutex mu_;
  std::vector<absl::CivilDay> terms_ ABSL_GUARDED_BY(mu_);
  std::vector<int64_t> removed_ ABSL_GUARDED_BY(mu_);
};

class PlayedTest : public testing::Test {
 protected:
  PlayedTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    for (grpc::Service* service : std::initializer_list<grpc::Service*>{
             &healthy_, &dispatch_, &orders_, &clocks_, &notices_, &people_, &reports_}) {
      builder.RegisterService(service);
    }
    server_ = builder.BuildAndStart();
    const std::string address = absl::StrCat("127.0.0.1:", port);
    globals_ = {"--lang", "en",           "--account", "1001",         "--dispatch",
                address,  "--work-order", address,     "--escalation", address};
  }

  Said Run(const Words& arguments) { return RunCtl(folder_, Joined(globals_, arguments)); }
  // The configuration of a site with the peer 110, for doctor.
  std::string SiteWithAPeer() const {
    const std::string file = folder_.path() + "/site.yaml";
    WriteFile(file,
              "hotline: \"12345\"\n"
              "work_order: {data_dir: none, listen: {address: \"127.0.0.1:1\"}}\n"
              "dispatch: {listen: {address: \"127.0.0.1:2\"}}\n"
              "peers: [{hotline: \"110\", address: \"127.0.0.1:3\"}]\n");
    return file;
  }

  TemporaryFolder folder_;
  Healthy healthy_;
  Dispatch dispatch_;
  Orders orders_;
  Clocks clocks_;
  Notices notices_;
  People people_;
  Reports reports_;
  std::unique_ptr<grpc::Server> server_;
  Words globals_;
};

TEST_F(PlayedTest, ACallToPartnersIsTelephonedUnlessItIsKnownToBeNoEmergency) {
  const Said emergency = Run({"partners", "push", "EMERGENCY", "--to", "110"});
  EXPECT_EQ(emergency.exit, 8);
  EXPECT_THAT(emergency.err, HasSubstr(kTelephone));
  const Said urgent = Run({"partners", "push", "URGENT", "--to", "110"});
  EXPECT_EQ(urgent.exit, 1);
  EXPECT_THAT(urgent.err, Not(HasSubstr(kTelephone)));
}

// It was to be repeated with a request id that there is none of, and each repeat trained another model.
TEST_F(PlayedTest, AReloadThatTakesLongGoesOn) {
  const Said late = Run({"catalogue", "reload"});
  EXPECT_EQ(late.exit, 6);
  EXPECT_THAT(late.err, AllOf(HasSubstr("the model is being trained; it will be in force"),
                              HasSubstr("hotlinectl catalogue show"), Not(HasSubstr("request id"))));
}

TEST_F(PlayedTest, AListThatIsCutSaysSoToScriptsToo) {
  for (const Words& command : std::vector<Words>{{"list"},
                                                 {"deadlines"},
                                                 {"notifications", "list"},
                                                 {"notifications", "deliveries"},
                                                 {"directory", "history"}}) {
    const std::string name = testing::PrintToString(command);
    const Said cut = Run(Joined({"--json"}, command));
    EXPECT_EQ(cut.exit, 0) << name << ": " << cut.err;
    EXPECT_EQ(LinesOf(cut.out), 50) << name;
    EXPECT_THAT(cut.err, HasSubstr("there are more: raise --limit")) << name;
    const Said whole = Run(Joined(Joined({"--json"}, command), {"--limit", "51"}));
    EXPECT_EQ(LinesOf(whole.out), kAll) << name;
    EXPECT_EQ(whole.err, "") << name;
  }
}

TEST_F(PlayedTest, APeerThatIsDownIsUnreachableToACommandToo) {
  const Said said = Run({"--timeout", "9s", "link", "reconcile", "110"});
  EXPECT_EQ(said.exit, 6) << said.err;
  EXPECT_THAT(said.err, AllOf(HasSubstr("PEER_UNREACHABLE"), HasSubstr("hotlinectl link status")));
}

TEST_F(PlayedTest, AUnitCalledByItsNameIsToldItsCode) {
  const Said named = Run({"list", "--unit", "住建局"});
  EXPECT_EQ(named.exit, 3);
  EXPECT_THAT(named.err, HasSubstr("to do:  `住建局` is a unit's name: its code is `zhujianju`"));
  EXPECT_THAT(Run({"--json", "list", "--unit", "住建局"}).err, HasSubstr("\"unitCode\":\"zhujianju\""));
  EXPECT_THAT(Run({"list", "--unit", "nosuch"}).err,
              HasSubstr("`hotlinectl directory list` shows the codes"));
  EXPECT_EQ(Run({"list", "--unit", "zhujianju"}).exit, 0);
}

TEST_F(PlayedTest, AFaultOfARowIsToldByItsColumn) {
  const std::string file = folder_.path() + "/orders.csv";
  WriteFile(file,
            "标题,内容,类型,匿名,推送至,主办单位\n"
            ",示例,help,yes,110,\n"
            "无单位,示例,help,yes,110,住建局\n"
            "路灯不亮,示例,求救,yes,110,\n");
  const Said english = Run({"push", "--file", file});
  EXPECT_EQ(english.exit, 3);
  EXPECT_THAT(english.err, AllOf(HasSubstr("row 1 (line 2): column \"标题\": is required"),
                                 HasSubstr("row 2 (line 3): column \"主办单位\": is unknown; `住建局` is a "
                                           "unit's name: its code is `zhujianju`"),
                                 HasSubstr("row 3 (line 4): column \"类型\": must be one of: consultation, "),
                                 Not(HasSubstr("content."))));
  globals_[1] = "zh";
  const Said chinese = Run({"push", "--file", file});
  EXPECT_THAT(chinese.err, AllOf(HasSubstr("第 1 条（第 2 行）：“标题”列：必填"), HasSubstr("help/求助"),
                                 HasSubstr("不在名录中；“住建局”是单位名称，其代码为 zhujianju"),
                                 Not(HasSubstr("content."))));
  EXPECT_THAT(Run({"--json", "push", "--file", file}).out,
              HasSubstr("{\"row\":1,\"line\":2,\"column\":\"标题\",\"error\":{"));
}

TEST_F(PlayedTest, AFileThatIsPushedAgainIsSaidToBeKnown) {
  const std::string file = folder_.path() + "/orders.csv";
  const std::string rows =
      "title,text,type,anonymous,to\na,x,help,yes,110\nb,x,help,yes,110\n,x,help,yes,110\n";
  // The site's clock may be another than that of who pushes.
  for (const absl::Duration ahead : {absl::ZeroDuration(), absl::Hours(1), -absl::Hours(1)}) {
    dispatch_.SetAhead(ahead);
    reports_.SetAhead(ahead);
    WriteFile(file, absl::StrCat(rows, "# ", absl::FormatDuration(ahead), "\n"));
    const Said first = Run({"push", "--file", file});
    EXPECT_THAT(first.out, HasSubstr("4 orders: 2 pushed, 0 known already, 2 failed, 0 not tried"))
        << first.err;
    EXPECT_THAT(first.err, Not(HasSubstr("known already")));
    const Said again = Run({"push", "--file", file});
    EXPECT_THAT(again.out, HasSubstr("4 orders: 0 pushed, 2 known already, 2 failed, 0 not tried"));
    EXPECT_THAT(again.err, HasSubstr("nothing was pushed twice: rows 1-2\n"));
    const Said json = Run({"--json", "push", "--file", file});
    EXPECT_THAT(json.out, AllOf(HasSubstr("\"known\":true"),
                                HasSubstr("\"pushed\":0,\"known\":2,\"failed\":2,\"notTried\":0")));
  }
  // Without the site's time nobody can tell, and nothing is claimed.
  reports_.SetAway(true);
  EXPECT_THAT(Run({"push", "--file", file}).err,
              HasSubstr("which rows an earlier run had pushed is not known"));
  EXPECT_THAT(Run({"--json", "push", "--file", file}).out, HasSubstr("\"known\":null"));
  reports_.SetAway(false);
  globals_[1] = "zh";
  EXPECT_THAT(Run({"push", "--file", file}).out, HasSubstr("新推送 0，此前已推送 2，失败 2"));
}

TEST_F(PlayedTest, AnswersAreMeasuredAgainstLabelsAlone) {
  const std::string whole = std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue";
  // A model of a few examples, which is made in no time.
  const std::string catalogue = folder_.path() + "/catalogue";
  std::filesystem::create_directories(catalogue + "/suggest");
  for (const char* name : {"/wuqia.yaml", "/suggest/terms.yaml"})
    WriteFile(catalogue + name, ReadFile(whole + name));
  const std::vector<std::string> examples = absl::StrSplit(ReadFile(whole + "/suggest/examples.jsonl"), '\n');
  WriteFile(catalogue + "/suggest/examples.jsonl",
            absl::StrJoin(examples.begin(), examples.begin() + 200, "\n"));
  const std::string file = folder_.path() + "/examples.jsonl";
  const std::string bare = "{\"id\":\"1\",\"text\":\"养老金没有到账\"}\n";
  const Words evaluate = {"suggest", "evaluate", "--file", file, "--catalogue", catalogue};
  WriteFile(file, bare);
  const Said none = Run(evaluate);
  EXPECT_EQ(none.exit, 3) << none.err;
  EXPECT_THAT(none.err, AllOf(HasSubstr("no line has a label"), HasSubstr("`hotline`")));
  EXPECT_EQ(none.out, "");
  WriteFile(file, bare + "{\"id\":\"2\",\"text\":\"养老金没有到账\",\"hotline\":\"12345\"}\n");
  const Said some = Run(evaluate);
  EXPECT_EQ(some.exit, 0);
  EXPECT_THAT(some.out, HasSubstr("1 examples: hotline right 100.0"));
  EXPECT_THAT(some.err, HasSubstr("left out: 1 lines without a label"));
}

TEST_F(PlayedTest, WhoWasToldIsSaidInTheReadersLanguage) {
  const Said english = Run({"notifications", "list"});
  EXPECT_THAT(english.out, AllOf(HasSubstr("leader (cc)"), HasSubstr("desktop")));
  globals_[1] = "zh";
  const Said chinese = Run({"notifications", "list"});
  EXPECT_THAT(chinese.out, AllOf(HasSubstr("分管领导（抄送）"), HasSubstr("桌面"), Not(HasSubstr("leader")),
                                 Not(HasSubstr("desktop"))));
}

TEST_F(PlayedTest, AUnitIsNamedWithTheCodeThatCommandsTake) {
  const std::string catalogue = std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue";
  globals_[1] = "zh";
  EXPECT_THAT(Run({"catalogue", "show", "A2", "--file", catalogue + "/wuqia.yaml"}).out,
              HasSubstr("人社局（rensheju）"));
  EXPECT_THAT(Run({"suggest", "养老金没有到账", "--catalogue", catalogue}).out,
              HasSubstr("人社局（rensheju）"));
}

TEST_F(PlayedTest, DoctorWithoutItsFileAsksForTheFile) {
  globals_[1] = "zh";
  const std::string out = Run({"doctor", "--config", folder_.path() + "/none.yaml"}).out;
  EXPECT_THAT(out, AllOf(HasSubstr("文件不存在"), HasSubstr("--config"), Not(HasSubstr("按所指行号"))));
}

TEST_F(PlayedTest, OfSeveralTermsTheOneToRemoveIsNamed) {
  const absl::CivilDay first(2026, 12, 1);
  const absl::CivilDay second(2027, 6, 1);
  people_.SetTerms({first, second});
  const Words remove = {"directory", "remove", "--unit",        "u1",  "--role", "handler",
                        "--person",  "p1",     "--reported-by", "desk"};
  const Said refused = Run(remove);
  EXPECT_EQ(refused.exit, 2);
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("--from"), HasSubstr("2026-12-01 00:00"), HasSubstr("2027-06-01 00:00")));
  EXPECT_THAT(people_.removed(), testing::IsEmpty());
  const Said named = Run(Joined(remove, {"--from", "2026-12-01"}));
  EXPECT_EQ(named.exit, 0) << named.err;
  EXPECT_THAT(named.out, AllOf(HasSubstr("p1"), HasSubstr("2026-12-01 00:00")));
  people_.SetTerms({second});
  const Said only = Run(remove);
  EXPECT_EQ(only.exit, 0) << only.err;
  EXPECT_THAT(only.out, AllOf(HasSubstr("p1"), HasSubstr("2027-06-01 00:00")));
  EXPECT_THAT(people_.removed(), testing::ElementsAre(People::Begin(first), People::Begin(second)));
}

TEST_F(PlayedTest, AWatchWhoseOutputIsLostEnds) {
  const Words lost = {"/bin/sh", "-c", "exec \"$@\" >/dev/full", "sh",
                      BuildFolder() + "/services/hotlinectl/hotlinectl"};
  for (const Words& watch :
       std::vector<Words>{{"notifications", "watch"}, {"--json", "notifications", "watch"}}) {
    const Said said = RunProgram(folder_, Joined(Joined(lost, globals_), watch));
    EXPECT_EQ(said.exit, 1) << testing::PrintToString(watch);
    EXPECT_THAT(said.err, HasSubstr("standard output cannot be written"));
  }
}

TEST_F(PlayedTest, ALogTooLargeForAServiceIsVerifiedInABackup) {
  const Said longest = Run({"verify"});
  EXPECT_EQ(longest.exit, 6);
  EXPECT_THAT(longest.err, AllOf(HasSubstr("hotlinectl backup verify"), Not(HasSubstr("--timeout"))));
  EXPECT_THAT(Run({"--timeout", "5m", "verify"}).err, HasSubstr("--timeout"));
}

TEST_F(PlayedTest, OfClocksThatAreApartDoctorTellsWhatIsCertain) {
  const std::string config = SiteWithAPeer();
  dispatch::v1::LinkStatus link;
  link.set_peer("110");
  link.set_lane(exchange::v1::LANE_ORDINARY);
  link.set_transport(dispatch::v1::LINK_TRANSPORT_GRPC);
  link.set_up(true);
  const auto look = [&](absl::Duration skew, absl::Duration uncertainty) {
    *link.mutable_clock_skew() = ToProtoDuration(skew);
    *link.mutable_clock_uncertainty() = ToProtoDuration(uncertainty);
    dispatch_.SetLink(link);
    return Run({"doctor", "--config", config, "--json"}).out;
  };
  EXPECT_THAT(
      look(-absl::Seconds(90), absl::Milliseconds(10)),
      AllOf(HasSubstr("the clocks are at least 89990 ms apart"), HasSubstr("双方时钟至少相差89990毫秒")));
  // A batch that was 9 s on its way.
  EXPECT_THAT(look(absl::Milliseconds(4500), absl::Milliseconds(4500)),
              AllOf(HasSubstr("up, protocol version"), Not(HasSubstr("ms apart"))));
}

TEST_F(PlayedTest, DoctorSaysInWordsWhyAPeerIsDown) {
  const std::string config = SiteWithAPeer();
  dispatch::v1::LinkStatus link;
  link.set_peer("110");
  link.set_transport(dispatch::v1::LINK_TRANSPORT_GRPC);
  link.set_last_error(
      "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:3: Failed to connect to "
      "remote "
      "host: Connection refused");
  dispatch_.SetLink(link);
  const std::string out = Run({"doctor", "--config", config, "--json"}).out;
  EXPECT_THAT(out, AllOf(HasSubstr("cannot be reached: nobody listens at 127.0.0.1:3 (connection refused)"),
                         HasSubstr("无法连通：127.0.0.1:3 无程序监听（连接被拒绝）"),
                         Not(HasSubstr("failed to connect"))));
}

TEST_F(PlayedTest, DoctorSaysWhoRefusesAndWhatToDo) {
  const std::string config = SiteWithAPeer();
  dispatch::v1::LinkStatus link;
  link.set_peer("110");
  link.set_transport(dispatch::v1::LINK_TRANSPORT_GRPC);
  const auto look = [&](const absl::Status& why) {
    link.set_last_error(std::string(why.message()));
    dispatch_.SetLink(link);
    return Run({"doctor", "--config", config, "--json"}).out;
  };
  const std::string key =
      look(error::SignatureInvalid("12345", "2026-12", "the key is not known here", "本平台没有该公钥"));
  EXPECT_THAT(key, AllOf(HasSubstr("takes nothing: 110 says: "), HasSubstr("110 must add the public key"),
                         HasSubstr("须由 110 将"), Not(HasSubstr("look at the network"))));
  EXPECT_THAT(look(error::DiskFull()),
              AllOf(HasSubstr("110 says: its disk is full"), HasSubstr("110 must make room"),
                    Not(HasSubstr("look at the network"))));
}

TEST_F(PlayedTest, DoctorAsksForAnotherRoleOnlyWhereTheRoleIsRefused) {
  const std::string config = SiteWithAPeer();
  const auto look = [&](const absl::Status& why) {
    dispatch_.FailLinks(why);
    return Run({"--timeout", "3s", "doctor", "--config", config, "--json"}).out;
  };
  EXPECT_THAT(look(error::RoleForbidden("12345/desktop", "ListLinks")), HasSubstr("ask as the role admin"));
  EXPECT_THAT(look(error::WorkOrderUnreachable("Connection refused")),
              AllOf(HasSubstr("\"peers\""), Not(HasSubstr("ask as the role admin"))));
}

TEST_F(PlayedTest, ABackupIsLookedForByItsNameToo) {
  const std::string config = folder_.path() + "/site.yaml";
  WriteFile(config, absl::StrCat("hotline: \"12345\"\nbackup: {directory: \"", folder_.path(),
                                 "/backups\"}\n"
                                 "work_order: {data_dir: none, listen: {address: \"127.0.0.1:1\"}}\n"
                                 "dispatch: {listen: {address: \"127.0.0.1:2\"}}\n"));
  std::filesystem::create_directories(folder_.path() + "/backups/before-upgrade");
  const Said named = Run({"backup", "verify", "before-upgrade", "--config", config});
  EXPECT_EQ(named.exit, 9);
  EXPECT_THAT(named.out, HasSubstr("there is none in " + folder_.path() + "/backups/before-upgrade"));
  const Said bare = Run({"backup", "verify", "before-upgrade"});
  EXPECT_EQ(bare.exit, 9);
  EXPECT_THAT(bare.err, HasSubstr("give the folder of the backup"));
  // As `restore` would refuse it.
  std::filesystem::create_directories(folder_.path() + "/backups/before-upgrade/work_order");
  WriteFile(folder_.path() + "/backups/before-upgrade/work_order/manifest.json",
            R"({"formatVersion":1,"name":"before-upgrade","hotline":"110","service":"work_order"})");
  const Said other = Run({"backup", "verify", "before-upgrade", "--config", config});
  EXPECT_EQ(other.exit, 9);
  EXPECT_THAT(other.out, HasSubstr("the backup is of hotline 110, the configuration of 12345"));
}

// ---- A service with TLS.

class TlsTest : public testing::Test {
 protected:
  TlsTest() {
    for (const char* name : {"ours", "other"}) {
      auto process = Process::Start({HOTLINE_SOURCE_DIR "/deploy/certs/make", "--dir", Path(name), "--role",
                                     "work_order", "--role", "desktop", "12345"},
                                    Path(name) + ".log");
      made_ = made_ && process.ok() && (*process)->Wait(absl::Seconds(60)) == 0;
    }
    if (!made_) return;
    grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = ReadFile(Path("ours/ca.crt"));
    options.pem_key_cert_pairs.push_back(
        {ReadFile(Path("ours/12345/work_order.key")), ReadFile(Path("ours/12345/work_order.crt"))});
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port);
    builder.RegisterService(&healthy_);
    builder.RegisterService(&orders_);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }

  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  // With the authority of `ca` and the certificate of `own`; in plain text without.
  Said Run(const std::string& ca, const std::string& own, const Words& command) {
    Words arguments = {"--timeout", "10s", "--lang", "en", "--work-order", address_};
    if (!ca.empty()) {
      const std::string certificate = Path(own + "/12345/desktop");
      arguments = Joined(arguments, {"--ca", Path(ca + "/ca.crt"), "--cert", certificate + ".crt", "--key",
                                     certificate + ".key"});
    }
    return RunCtl(folder_, Joined(arguments, command));
  }

  TemporaryFolder folder_;
  Healthy healthy_;
  Orders orders_;
  bool made_ = true;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

TEST_F(TlsTest, WhatTlsFailsAtIsSaid) {
  ASSERT_TRUE(made_);
  EXPECT_EQ(Run("ours", "ours", {"list"}).exit, 0);
  const Said plain = Run("", "", {"list"});
  EXPECT_EQ(plain.exit, 6);
  EXPECT_THAT(plain.err, HasSubstr("give --ca, --cert and --key (or HOTLINE_CA"));
  const Said stranger = Run("ours", "other", {"list"});
  EXPECT_EQ(stranger.exit, 6);
  EXPECT_THAT(stranger.err, HasSubstr(absl::StrCat(Path("other/12345/desktop.crt"), " is not issued by ",
                                                   Path("ours/ca.crt"))));
  const Said distrust = Run("other", "other", {"list"});
  EXPECT_EQ(distrust.exit, 6);
  EXPECT_THAT(distrust.err, AllOf(HasSubstr("the TLS handshake with"), HasSubstr("check the certificates")));
  for (const Said& said : {plain, stranger, distrust}) {
    EXPECT_THAT(said.err, AllOf(Not(HasSubstr("cannot reach")), Not(HasSubstr("ssl_transport_security"))));
  }
  EXPECT_THAT(Run("other", "other", {"health", "--service", "work_order"}).err,
              HasSubstr("the TLS handshake with"));
}

}  // namespace
}  // namespace hotline::test
