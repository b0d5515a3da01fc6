#include "services/hotlinectl/core/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "common/error/error.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"

namespace hotline::hotlinectl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace v1 = type::v1;

TEST(FailureTest, WrongUseIsToldInBothLanguages) {
  const Failure failure = Misuse(say::kInputTooLarge, "x", 16);
  EXPECT_EQ(ExitCodeOf(failure), kExitUsage);
  const std::string json = FailureJson(failure);
  EXPECT_THAT(json, HasSubstr("\"message\":\"x is larger than 16 MiB\""));
  EXPECT_THAT(json, HasSubstr("\"messageZh\":\"x 超过 16 MiB\""));
  EXPECT_THAT(DescribeFailure(failure, Language::kChinese), HasSubstr("x 超过 16 MiB"));
  // A phrase within a phrase is in the language of the whole.
  EXPECT_EQ(Misuse(say::kCannotRead, say::kInputTooLarge).chinese, "无法读取 $0 超过 $1 MiB");
}

TEST(FailureTest, ExitCodes) {
  const struct {
    absl::Status status;
    ExitCode code;
  } kCases[] = {
      {absl::OkStatus(), kExitOk},
      {error::Required("content.title"), kExitInvalid},
      {error::TargetUnknown("911"), kExitInvalid},
      {error::SequenceOutOfRange(9, 3), kExitInvalid},
      {error::OrderNotFound("x"), kExitNotFound},
      {error::WrongState("sign", "签收", v1::ORDER_STATE_CLOSED), kExitConflict},
      {error::NotHolder("签收", "110", "holder"), kExitConflict},
      {error::StaleVersion(1, 2), kExitConflict},
      {error::RequestIdReused("abcdefgh"), kExitConflict},
      {error::RoleForbidden("110/desk", "x"), kExitConflict},
      {absl::UnavailableError("connection refused"), kExitUnreachable},
      {error::WorkOrderUnreachable("x"), kExitUnreachable},
      {absl::DeadlineExceededError(""), kExitUnreachable},
      {error::Overloaded("queue", absl::Seconds(1)), kExitTryLater},
      {error::DiskFull(), kExitTryLater},
      {error::Draining(), kExitTryLater},
      {error::StoreFailed("x"), kExitTryLater},
      {error::PeerUnreachable("12345"), kExitUnreachable},
      {absl::CancelledError("CANCELLED"), kExitTryLater},
      {error::Internal("x"), kExitInternal},
      {error::LinkForked("110", 7), kExitInternal},
      {absl::UnknownError(""), kExitInternal},
      {absl::UnimplementedError(""), kExitInternal},
  };
  for (const auto& c : kCases) EXPECT_EQ(ExitCodeOf(c.status), c.code) << c.status;
  EXPECT_EQ(ExitCodeOf(Failure{.status = absl::InvalidArgumentError(""), .usage = true}), kExitUsage);
}

TEST(FailureTest, RetriesOnlyWhatTimeCanMend) {
  EXPECT_TRUE(IsWorthRetrying(absl::UnavailableError("")));
  EXPECT_TRUE(IsWorthRetrying(error::WorkOrderUnreachable("x")));
  EXPECT_TRUE(IsWorthRetrying(absl::CancelledError("CANCELLED"))) << "a server went down";
  EXPECT_TRUE(IsWorthRetrying(error::Overloaded("queue", absl::Milliseconds(50))));
  EXPECT_FALSE(IsWorthRetrying(absl::ResourceExhaustedError("message too large")));
  EXPECT_FALSE(IsWorthRetrying(error::Required("x")));
  EXPECT_FALSE(IsWorthRetrying(absl::DeadlineExceededError("")));
  EXPECT_FALSE(IsWorthRetrying(error::StaleVersion(1, 2)));
}

TEST(FailureTest, SaysWhatIsWrongAndWhatToDo) {
  const Failure failure{.status = error::BadField(v1::ERROR_REASON_PHONE_INVALID, "content.caller.phone",
                                                  "is not a telephone number", "号码格式不对"),
                        .service = "dispatch",
                        .address = "127.0.0.1:1",
                        .request_id = "abcdefgh"};
  const std::string english = DescribeFailure(failure, Language::kEnglish);
  EXPECT_THAT(english, HasSubstr("is not a telephone number"));
  EXPECT_THAT(english, HasSubstr("reason: PHONE_INVALID\n"));
  EXPECT_THAT(english, HasSubstr("field:  content.caller.phone (flag --phone)\n"));
  EXPECT_THAT(english, HasSubstr("to do:  correct the input"));
  // What was refused needs no request id: nothing happened.
  EXPECT_THAT(english, Not(HasSubstr("abcdefgh")));
  const std::string chinese = DescribeFailure(failure, Language::kChinese);
  EXPECT_THAT(chinese, HasSubstr("号码格式不对"));
  EXPECT_THAT(chinese, HasSubstr("字段：content.caller.phone（选项 --phone）"));
  EXPECT_THAT(chinese, Not(HasSubstr("telephone")));
}

TEST(FailureTest, TellsWhoCouldNotBeReachedAndHowToRepeat) {
  const Failure failure{.status = absl::UnavailableError("failed to connect to all addresses; ipv4:…"),
                        .service = "dispatch",
                        .address = "127.0.0.1:12301",
                        .request_id = "abcdefgh"};
  EXPECT_THAT(DescribeFailure(failure, Language::kEnglish),
              HasSubstr("cannot reach dispatch at 127.0.0.1:12301"));
  EXPECT_THAT(DescribeFailure(failure, Language::kEnglish), HasSubstr("--request-id abcdefgh"));
  EXPECT_THAT(DescribeFailure(failure, Language::kChinese),
              HasSubstr("无法连接 dispatch（127.0.0.1:12301）"));
  // Whether a server that went down had carried it out, nobody knows.
  Failure went_down = failure;
  went_down.status = absl::CancelledError("CANCELLED");
  EXPECT_THAT(DescribeFailure(went_down, Language::kEnglish),
              HasSubstr("dispatch at 127.0.0.1:12301 went down during the call"));
  EXPECT_THAT(DescribeFailure(went_down, Language::kEnglish), HasSubstr("--request-id abcdefgh"));
  EXPECT_THAT(DescribeFailure(went_down, Language::kChinese),
              HasSubstr("dispatch（127.0.0.1:12301）在调用期间停机"));
  // A service that answers UNAVAILABLE itself is quoted.
  Failure answered = failure;
  answered.status = error::WorkOrderUnreachable("push");
  EXPECT_THAT(DescribeFailure(answered, Language::kEnglish), HasSubstr("WORK_ORDER_UNREACHABLE"));
  EXPECT_THAT(DescribeFailure(answered, Language::kEnglish), Not(HasSubstr("cannot reach dispatch")));
  // Of what a store failed at, too, it says to use the same id.
  answered.status = error::OutcomeUnknown(absl::UnavailableError("disk I/O error"));
  EXPECT_THAT(DescribeFailure(answered, Language::kChinese), HasSubstr("--request-id abcdefgh"));
}

TEST(FailureTest, WhoeverAnswersAtAnotherAddressIsNotTaken) {
  const Failure failure{.status = absl::UnimplementedError(""),
                        .service = "dispatch",
                        .address = "127.0.0.1:12302",
                        .request_id = "abcdefgh"};
  EXPECT_EQ(ExitCodeOf(failure), kExitUnreachable);
  const std::string english = DescribeFailure(failure, Language::kEnglish);
  EXPECT_THAT(english, HasSubstr("what answers at 127.0.0.1:12302 is not dispatch"));
  EXPECT_THAT(english, HasSubstr("to do:  check the address"));
  EXPECT_THAT(english, Not(HasSubstr("abcdefgh"))) << "nothing was done";
  EXPECT_THAT(DescribeFailure(failure, Language::kChinese),
              HasSubstr("127.0.0.1:12302 处应答的不是 dispatch"));
  EXPECT_THAT(FailureJson(failure), HasSubstr("\"exit\":6}"));
}

TEST(FailureTest, AdviceOfItsOwnComesFirst) {
  const Failure failure{.status = absl::FailedPreconditionError("full"), .advice = &say::kDoLater};
  EXPECT_THAT(DescribeFailure(failure, Language::kEnglish), HasSubstr("to do:  try again later"));
  EXPECT_THAT(DescribeFailure(failure, Language::kChinese), HasSubstr("处理：请稍后再试"));
  EXPECT_THAT(DescribeFailure(failure, Language::kEnglish), Not(HasSubstr("hotlinectl show")));
}

TEST(FailureTest, TellsWhenToComeBack) {
  const Failure failure{.status = error::Overloaded("queue", absl::Seconds(2)), .service = "dispatch"};
  EXPECT_THAT(DescribeFailure(failure, Language::kEnglish), HasSubstr("try again in 2s"));
  EXPECT_THAT(DescribeFailure(failure, Language::kChinese), HasSubstr("请在 2s 后再试"));
}

TEST(FailureTest, EveryReasonHasAdviceInBothLanguages) {
  for (int code = 1; code <= 16; ++code) {
    const Failure failure{.status = absl::Status(static_cast<absl::StatusCode>(code), "x"),
                          .service = "dispatch"};
    EXPECT_FALSE(FailureAdvice(failure, Language::kEnglish).empty()) << code;
    EXPECT_NE(FailureAdvice(failure, Language::kEnglish), FailureAdvice(failure, Language::kChinese)) << code;
  }
}

// What is told of one that is not an order sends people to look for an order.
TEST(FailureTest, AdviceSpeaksOfAnOrderOnlyWhereOneIsConcerned) {
  const std::set<error::Reason> of_orders = {
      v1::ERROR_REASON_WRONG_STATE,      v1::ERROR_REASON_NOT_HOLDER,
      v1::ERROR_REASON_SUSPENDED,        v1::ERROR_REASON_UNIT_NOT_ASSIGNED,
      v1::ERROR_REASON_ORDER_NOT_FOUND,  v1::ERROR_REASON_STALE_VERSION,
      v1::ERROR_REASON_NO_BREACH,        v1::ERROR_REASON_RULED,
      v1::ERROR_REASON_MERGED,           v1::ERROR_REASON_EXTENSION_TOO_LATE,
      v1::ERROR_REASON_EXTENSION_LIMIT,  v1::ERROR_REASON_EXTENSION_PENDING,
      v1::ERROR_REASON_UNIT_RECUSED,     v1::ERROR_REASON_LEGAL_HOLD,
      v1::ERROR_REASON_NOT_HELD,         v1::ERROR_REASON_CONTENT_ERASED,
      v1::ERROR_REASON_RETENTION_RUNNING};
  const auto advice = [](absl::StatusCode code, error::Reason reason, Language language) {
    absl::Status status(code, "x");
    error::BadField(reason, "", "x", "x")
        .ForEachPayload(
            [&](absl::string_view url, const absl::Cord& payload) { status.SetPayload(url, payload); });
    EXPECT_EQ(error::ReasonOf(status), reason);
    return FailureAdvice({.status = status, .service = "escalation"}, language);
  };
  const auto* reasons = v1::ErrorReason_descriptor();
  for (int i = 0; i < reasons->value_count(); ++i) {
    const auto reason = static_cast<error::Reason>(reasons->value(i)->number());
    if (reason == v1::ERROR_REASON_UNSPECIFIED || of_orders.contains(reason)) continue;
    for (const absl::StatusCode code :
         {absl::StatusCode::kNotFound, absl::StatusCode::kFailedPrecondition, absl::StatusCode::kAborted,
          absl::StatusCode::kAlreadyExists, absl::StatusCode::kInvalidArgument}) {
      EXPECT_THAT(advice(code, reason, Language::kEnglish), Not(HasSubstr("order")))
          << reasons->value(i)->name();
      EXPECT_THAT(advice(code, reason, Language::kChinese), Not(HasSubstr("工单")))
          << reasons->value(i)->name();
    }
  }
  for (const error::Reason reason : of_orders) {
    EXPECT_THAT(advice(absl::StatusCode::kFailedPrecondition, reason, Language::kChinese), HasSubstr("工单"))
        << error::ReasonName(reason);
  }
  // A folder that is in use has no reason.
  EXPECT_THAT(FailureAdvice({.status = absl::FailedPreconditionError("x")}, Language::kEnglish),
              Not(HasSubstr("order")));
  EXPECT_THAT(FailureAdvice({.status = absl::NotFoundError("x")}, Language::kEnglish),
              Not(HasSubstr("order")));
  using absl::StatusCode;
  EXPECT_THAT(advice(StatusCode::kNotFound, v1::ERROR_REASON_DOCKET_ITEM_NOT_FOUND, Language::kEnglish),
              HasSubstr("hotlinectl meeting docket"));
  EXPECT_THAT(advice(StatusCode::kNotFound, v1::ERROR_REASON_NOTIFICATION_UNKNOWN, Language::kEnglish),
              HasSubstr("hotlinectl notifications list"));
  EXPECT_THAT(advice(StatusCode::kAlreadyExists, v1::ERROR_REASON_BACKUP_EXISTS, Language::kEnglish),
              HasSubstr("hotlinectl backup list"));
}

TEST(FailureTest, JsonForScripts) {
  const Failure failure{
      .status = error::BadField(v1::ERROR_REASON_TEXT_INVALID, "a\"b\x01", "bad \\ text", "坏"),
      .request_id = "abcdefgh"};
  const std::string json = FailureJson(failure);
  EXPECT_THAT(json, Not(HasSubstr("\n")));
  google::protobuf::Struct object;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(json, &object).ok()) << json;
  const auto& fields = object.fields();
  EXPECT_EQ(fields.at("code").string_value(), "INVALID_ARGUMENT");
  EXPECT_EQ(fields.at("reason").string_value(), "TEXT_INVALID");
  EXPECT_EQ(fields.at("field").string_value(), "a\"b ");
  EXPECT_EQ(fields.at("exit").number_value(), 3);
  EXPECT_THAT(fields.at("messageZh").string_value(), HasSubstr("坏"));
  EXPECT_FALSE(fields.contains("telephoneRequired"));
}

TEST(FailureTest, AnEmergencyThatMayNotHaveLeftNeedsTheTelephone) {
  const Failure failure{.status = absl::UnavailableError(""),
                        .service = "dispatch",
                        .address = "127.0.0.1:12301",
                        .telephone_required = true};
  EXPECT_EQ(ExitCodeOf(failure), kExitTelephone);
  EXPECT_THAT(DescribeFailure(failure, Language::kEnglish), HasSubstr("USE THE TELEPHONE NOW"));
  EXPECT_THAT(DescribeFailure(failure, Language::kChinese), HasSubstr("请立即电话转交"));
  EXPECT_THAT(FailureJson(failure), HasSubstr("\"telephoneRequired\":true,\"exit\":8}"));
}

TEST(FailureTest, ACodeThatIsNotKnownIsToBeLookedUp) {
  const auto advice = [](const absl::Status& status) {
    return FailureAdvice({.status = status, .service = "work_order"}, Language::kChinese);
  };
  EXPECT_EQ(advice(error::BadField(v1::ERROR_REASON_UNIT_UNKNOWN, "unit_dispatch.lead_unit", "x", "x")),
            "单位代码见 hotlinectl directory list");
  EXPECT_THAT(advice(error::PeerUnknown("12354")), HasSubstr("hotlinectl link status"));
  EXPECT_THAT(advice(error::TargetUnknown("110")), HasSubstr("不能推送至本平台自身"));
}

TEST(FailureTest, AUnitCalledByItsNameIsToldItsCode) {
  const Failure failure{.status = error::BadField(v1::ERROR_REASON_UNIT_UNKNOWN, "party", "x", "x"),
                        .service = "escalation",
                        .unit_name = "住建局",
                        .unit_code = "zhujianju"};
  EXPECT_EQ(FailureAdvice(failure, Language::kEnglish),
            "`住建局` is a unit's name: its code is `zhujianju`, give that");
  EXPECT_EQ(FailureAdvice(failure, Language::kChinese), "“住建局”是单位名称，其代码为 zhujianju，请改填代码");
  EXPECT_THAT(FailureJson(failure), HasSubstr("\"unitCode\":\"zhujianju\""));
  EXPECT_THAT(DescribeFailure(failure, Language::kEnglish), HasSubstr("party (flag --unit)"));
}

// A command that asks the peer, and the table of exit codes, say the same of one that is down.
TEST(FailureTest, APeerThatIsDownIsUnreachable) {
  const Failure failure{.status = error::PeerUnreachable("110"), .service = "dispatch"};
  for (const Language language : {Language::kEnglish, Language::kChinese}) {
    EXPECT_THAT(FailureAdvice(failure, language), HasSubstr("hotlinectl link status"));
    EXPECT_THAT(std::string(Say(language, say::kCmdLink)), HasSubstr("6"));
  }
  EXPECT_THAT(std::string(say::kExitCodes.en), HasSubstr("6  a service or the peer unreachable"));
  EXPECT_THAT(std::string(say::kExitCodes.zh), HasSubstr("6  无法连接服务或对端"));
}

TEST(FailureTest, WhatALinkMetIsSaidInWords) {
  const std::string all = "failed to connect to all addresses; last error: UNKNOWN: ";
  const std::string remote = ": Failed to connect to remote host: ";
  const struct {
    std::string error;
    std::string english;
    std::string chinese;
  } kCases[] = {
      {all + "ipv4:192.0.2.1:12301" + remote + "Connection refused",
       "nobody listens at 192.0.2.1:12301 (connection refused)", "192.0.2.1:12301 无程序监听（连接被拒绝）"},
      {all + "ipv6:%5B::1%5D:12301" + remote + "Connection refused",
       "nobody listens at [::1]:12301 (connection refused)", "[::1]:12301 无程序监听（连接被拒绝）"},
      {all + "ipv4:192.0.2.1:1" + remote + "No route to host",
       "there is no way through the network to 192.0.2.1:1", "网络不可达：192.0.2.1:1"},
      {all + "ipv4:192.0.2.1:1" + remote + "Connection timed out", "192.0.2.1:1 does not answer (timed out)",
       "192.0.2.1:1 无应答（超时）"},
      {all + "ipv4:192.0.2.1:1" + remote + "Timeout occurred: FD Shutdown",
       "192.0.2.1:1 does not answer (timed out)", "192.0.2.1:1 无应答（超时）"},
      {"DNS resolution failed for no-such-host.invalid:1: C-ares status is not ARES_SUCCESS qtype=AAAA "
       "name=no-such-host.invalid is_balancer=0: Domain name not found",
       "the name in no-such-host.invalid:1 is not found (DNS)",
       "无法解析 no-such-host.invalid:1 中的主机名（DNS）"},
      // Which of the many things a handshake can fail at, gRPC alone says.
      {all + "ipv4:192.0.2.1:1: Ssl handshake failed: SSL_ERROR_SSL: error:0A00010B:SSL routines::wrong "
             "version number",
       "the TLS handshake with 192.0.2.1:1 failed (SSL_ERROR_SSL: error:0A00010B:SSL routines::wrong version "
       "number)",
       "与 192.0.2.1:1 的 TLS 握手失败（SSL_ERROR_SSL: error:0A00010B:SSL routines::wrong version number）"},
      {all + "ipv4:192.0.2.1:1: Custom verification check failed with error: UNAUTHENTICATED: the server's "
             "certificate names another party: spiffe://hotline/119/dispatch",
       "the certificate at 192.0.2.1:1 names another: spiffe://hotline/119/dispatch",
       "192.0.2.1:1 处的证书属于另一方：spiffe://hotline/119/dispatch"},
      {"failed to connect to all addresses; last error: INTERNAL: ipv4:192.0.2.1:1: Trying to connect an "
       "http1.x server",
       "what listens at 192.0.2.1:1 does not speak this protocol (another program, or TLS on one side alone)",
       "192.0.2.1:1 处监听的程序协议不符（并非本系统，或仅一方启用 TLS）"},
      {all + "ipv4:192.0.2.1:1: Socket closed",
       "the connection to 192.0.2.1:1 was closed (the other side went down or refuses the certificate, or "
       "TLS "
       "on one side alone)",
       "与 192.0.2.1:1 的连接已断开（对方停机或拒绝证书，或仅一方启用 TLS）"},
      {all + "ipv4:192.0.2.1:1: tcp handshaker shutdown",
       "the TLS handshake with 192.0.2.1:1 was broken off (the other side went down, or one does not trust "
       "the "
       "other's certificate)",
       "与 192.0.2.1:1 的 TLS 握手中断（对方停机，或双方之一不信任对方证书）"},
      {all + "ipv4:192.0.2.1:1: Tls handshake failed: SSL_ERROR_SSL: certificate verify failed",
       "the TLS handshake with 192.0.2.1:1 failed (SSL_ERROR_SSL: certificate verify failed)",
       "与 192.0.2.1:1 的 TLS 握手失败（SSL_ERROR_SSL: certificate verify failed）"},
      {all + "ipv4:192.0.2.1:1: something new", "cannot connect to 192.0.2.1:1 (something new)",
       "无法连接 192.0.2.1:1（something new）"},
      {"failed to connect to all addresses",
       "cannot connect to the peer (failed to connect to all addresses)",
       "无法连接 对端（failed to connect to all addresses）"},
      // What is not gRPC's own stays.
      {"LINK_FORKED at 6", "LINK_FORKED at 6", "LINK_FORKED at 6"},
      {"", "", ""},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(PlainLinkError(c.error, Language::kEnglish), c.english);
    EXPECT_EQ(PlainLinkError(c.error, Language::kChinese), c.chinese);
  }
}

TEST(FailureTest, WhatTlsMayBeTheCauseOfIsToldApart) {
  const std::string all = "failed to connect to all addresses; last error: UNKNOWN: ipv4:192.0.2.1:1: ";
  for (const char* met : {"Tls handshake failed: SSL_ERROR_SSL", "Socket closed", "Endpoint read failed",
                          "Trying to connect an http1.x server"}) {
    EXPECT_TRUE(IsTlsFault(all + met)) << met;
  }
  EXPECT_FALSE(IsTlsFault(all + "Failed to connect to remote host: Connection refused"));
  EXPECT_FALSE(IsTlsFault("Socket closed")) << "of a call under way";
}

dispatch::v1::LinkStatus DownLink(const absl::Status& why) {
  dispatch::v1::LinkStatus link;
  link.set_peer("110");
  link.set_transport(dispatch::v1::LINK_TRANSPORT_GRPC);
  link.set_last_error(std::string(why.message()));
  return link;
}

TEST(FailureTest, WhatThePeerRefusedIsSaidToBeThePeersWord) {
  const auto unknown = [](std::string_view party) {
    return DownLink(
        error::SignatureInvalid(party, "2026-12", "the key is not known here", "本平台没有该公钥"));
  };
  EXPECT_EQ(
      LinkErrorText(unknown("12345"), Language::kEnglish),
      "110 says: the signature of 12345 by the key '2026-12' is refused: there is no such public key in "
      "the configuration");
  EXPECT_EQ(LinkErrorText(unknown("12345"), Language::kChinese),
            "110 答复：12345 的签名（密钥 2026-12）被拒：配置中没有此公钥");
  EXPECT_THAT(LinkErrorAdvice(unknown("12345"), Language::kEnglish),
              AllOf(HasSubstr("110 must add the public key of '2026-12'"), HasSubstr("signing.keys")));
  EXPECT_THAT(LinkErrorAdvice(unknown("12345"), Language::kChinese), HasSubstr("须由 110 将 '2026-12'"));
  // What comes from the peer is refused here.
  EXPECT_THAT(LinkErrorText(unknown("110"), Language::kEnglish), Not(HasSubstr("says")));
  EXPECT_THAT(LinkErrorAdvice(unknown("110"), Language::kEnglish),
              HasSubstr("add the public key of '2026-12' to those of 110"));
  const auto expired = DownLink(error::SignatureInvalid("12345", "k", "the key has expired", "已过有效期"));
  EXPECT_THAT(LinkErrorText(expired, Language::kEnglish), HasSubstr("110 says: "));
  EXPECT_THAT(LinkErrorAdvice(expired, Language::kChinese), HasSubstr("请双方核对 12345 的密钥 'k'"));
}

TEST(FailureTest, AFullDiskIsSaidToBeWhose) {
  dispatch::v1::LinkStatus link = DownLink(error::DiskFull());
  EXPECT_EQ(LinkErrorText(link, Language::kEnglish), "110 says: its disk is full");
  EXPECT_EQ(LinkErrorText(link, Language::kChinese), "110 答复：其磁盘已满");
  EXPECT_THAT(LinkErrorAdvice(link, Language::kEnglish), HasSubstr("110 must make room"));
  link.set_transport(dispatch::v1::LINK_TRANSPORT_SPOOL);
  EXPECT_THAT(LinkErrorAdvice(link, Language::kEnglish), HasSubstr("spool.out_directory"));
  EXPECT_EQ(LinkErrorText(DownLink(error::PeerUnreachable("110")), Language::kEnglish),
            error::PeerUnreachable("110").message());
  EXPECT_EQ(LinkErrorAdvice(DownLink(error::PeerUnreachable("110")), Language::kEnglish), "");
  // One's own.
  const std::string own =
      DescribeFailure({.status = error::DiskFull(), .service = "dispatch"}, Language::kEnglish);
  EXPECT_THAT(own, AllOf(HasSubstr("make room"), HasSubstr("hotlinectl doctor"), Not(HasSubstr("10s"))));
}

TEST(FailureTest, AStoreThatDoesNotHealIsToBeStartedAgain) {
  absl::Status status(absl::StatusCode::kUnavailable, "the store failed");
  error::BadField(v1::ERROR_REASON_STORE_FAILED, "", "x", "x")
      .ForEachPayload(
          [&](absl::string_view url, const absl::Cord& payload) { status.SetPayload(url, payload); });
  const auto advice = [&](const std::string& service, Language language) {
    return FailureAdvice({.status = status, .service = service}, language);
  };
  EXPECT_THAT(advice("dispatch", Language::kEnglish), HasSubstr("systemctl restart hotline-work-order"));
  EXPECT_THAT(advice("work_order", Language::kChinese), HasSubstr("systemctl restart hotline-work-order"));
  EXPECT_THAT(advice("escalation", Language::kEnglish), HasSubstr("systemctl restart hotline-escalation"));
  EXPECT_THAT(FailureAdvice({.status = error::Overloaded("queue", absl::Seconds(1))}, Language::kEnglish),
              Not(HasSubstr("restart")));
}

TEST(FailureTest, WhoMustWaitForTheReceiverIsToldOfTheRecall) {
  const auto advice = [](std::string_view needed) {
    return FailureAdvice({.status = error::NotHolder("受理", "110", needed), .service = "work_order"},
                         Language::kChinese);
  };
  EXPECT_THAT(advice("receiver"), HasSubstr("hotlinectl recall"));
  EXPECT_THAT(advice("holder"), Not(HasSubstr("hotlinectl recall")));
}

TEST(FailureTest, AnOverlapOfRolesNamesTheFlag) {
  const Failure failure{
      .status = error::DirectoryRefused(v1::ERROR_REASON_DIRECTORY_ROLE_OVERLAP, "", "overlap", "重叠")};
  EXPECT_THAT(FailureAdvice(failure, Language::kEnglish), HasSubstr("--supersede"));
  EXPECT_THAT(FailureAdvice(failure, Language::kChinese), HasSubstr("--supersede"));
}

TEST(FailureTest, AnAccusationsDispatchIsNamedByItsFlag) {
  EXPECT_THAT(DescribeFailure({.status = error::Required("accusation.dispatch")}, Language::kEnglish),
              HasSubstr("(flag --to)"));
}

TEST(FailureTest, AFieldOfANoticeIsNamedByItsFlag) {
  const std::string text =
      DescribeFailure({.status = error::Required("calendar_notice.issue_date")}, Language::kEnglish);
  EXPECT_NE(text.find("--issued"), std::string::npos) << text;
}

}  // namespace
}  // namespace hotline::hotlinectl
