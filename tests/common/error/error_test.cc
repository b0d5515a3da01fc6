#include "common/error/error.h"

#include <gtest/gtest.h>

#include <string>

#include "google/rpc/error_details.pb.h"

namespace hotline::error {
namespace {

TEST(ErrorTest, CarriesReasonFieldAndChinese) {
  const absl::Status status =
      BadField(Reason::ERROR_REASON_PHONE_INVALID, "content.caller.phone", "bad", "格式不对");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), Reason::ERROR_REASON_PHONE_INVALID);
  EXPECT_EQ(FieldOf(status), "content.caller.phone");
  EXPECT_NE(ChineseOf(status).find("格式不对"), std::string::npos);
}

TEST(ErrorTest, SurvivesTheWire) {
  const absl::Status status = Overloaded("commit queue", absl::Milliseconds(250));
  const absl::Status back = FromProto(ToProto(status));
  EXPECT_EQ(back, status);
  EXPECT_EQ(RetryDelayOf(back), absl::Milliseconds(250));
  EXPECT_EQ(ReasonOf(back), Reason::ERROR_REASON_OVERLOADED);
  EXPECT_TRUE(FromProto(ToProto(absl::OkStatus())).ok());
}

TEST(ErrorTest, PlainStatusHasNoReason) {
  const absl::Status status = absl::UnavailableError("connection refused");
  EXPECT_EQ(ReasonOf(status), Reason::ERROR_REASON_UNSPECIFIED);
  EXPECT_EQ(FieldOf(status), "");
  EXPECT_EQ(FromProto(ToProto(status)).message(), "connection refused");
}

TEST(ErrorTest, APeersFailureKeepsItsReasonAndLosesItsWords) {
  const absl::Status theirs = Overloaded("王某某 13900000000", absl::Seconds(7));
  const absl::Status full = OfPeer("110", theirs);
  EXPECT_EQ(full.code(), theirs.code());
  EXPECT_EQ(ReasonOf(full), Reason::ERROR_REASON_OVERLOADED);
  EXPECT_EQ(RetryDelayOf(full), absl::Seconds(7));
  EXPECT_EQ(ToProto(full).SerializeAsString().find("13900000000"), std::string::npos);
  EXPECT_NE(ChineseOf(full).find("110"), std::string::npos);
  for (const absl::Status& transport : {absl::UnavailableError("connection refused"),
                                        absl::DeadlineExceededError("late"), absl::CancelledError("gone")}) {
    const absl::Status unreachable = OfPeer("110", transport);
    EXPECT_EQ(unreachable.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ReasonOf(unreachable), Reason::ERROR_REASON_PEER_UNREACHABLE);
    EXPECT_GT(RetryDelayOf(unreachable), absl::ZeroDuration());
    EXPECT_NE(ChineseOf(unreachable), "");
  }
  const absl::Status broken = OfPeer("110", absl::UnknownError("王某某"));
  EXPECT_EQ(broken.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(ReasonOf(broken), Reason::ERROR_REASON_INTERNAL);
  EXPECT_EQ(std::string(broken.message()), "the exchange with the peer 110 failed: UNKNOWN");
}

TEST(ErrorTest, WhatAPeerDoesNotOfferIsNoFaultOfThisProgram) {
  const absl::Status older = OfPeer("119", absl::UnimplementedError("王某某"));
  EXPECT_EQ(older, PeerDoesNotOffer("119"));
  EXPECT_EQ(older.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(older), Reason::ERROR_REASON_PEER_CAPABILITY_MISSING);
  EXPECT_NE(ChineseOf(older).find("119未提供"), std::string::npos);
  EXPECT_EQ(ChineseOf(older).find("UNIMPLEMENTED"), std::string::npos);
}

TEST(ErrorTest, AdviceThatIsNotReadySaysWhenToAskAgain) {
  const absl::Status status = AdviceNotReady();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), Reason::ERROR_REASON_OVERLOADED);
  EXPECT_EQ(RetryDelayOf(status), absl::Seconds(5));
  EXPECT_NE(ChineseOf(status), "");
}

TEST(ErrorTest, AFailedCommitIsNotSaidToHaveDoneNothing) {
  const absl::Status refused = StoreFailed("disk I/O error");
  EXPECT_NE(ChineseOf(refused).find("未生效"), std::string::npos);
  const absl::Status unknown = OutcomeUnknown(refused);
  EXPECT_EQ(unknown.code(), refused.code());
  EXPECT_EQ(ReasonOf(unknown), Reason::ERROR_REASON_STORE_FAILED);
  EXPECT_EQ(RetryDelayOf(unknown), RetryDelayOf(refused));
  EXPECT_EQ(ChineseOf(unknown).find("未生效"), std::string::npos);
  EXPECT_NE(ChineseOf(unknown).find("结果未知"), std::string::npos);
  EXPECT_NE(std::string(unknown.message()).find("disk I/O error; the outcome is unknown"), std::string::npos);
  EXPECT_NE(std::string(unknown.message()).find("the same request id"), std::string::npos);
  EXPECT_NE(ChineseOf(unknown).find("请求编号"), std::string::npos);
  // Nobody looks for an id that the request does not have.
  const absl::Status without = OutcomeUnknown(refused, /*has_no_id=*/true);
  EXPECT_EQ(std::string(without.message()).find("request id"), std::string::npos);
  EXPECT_EQ(ChineseOf(without).find("请求编号"), std::string::npos);
  EXPECT_NE(ChineseOf(without).find("结果未知"), std::string::npos);
  for (const absl::Status& other : {absl::OkStatus(), DiskFull(), Internal("an id twice")}) {
    EXPECT_EQ(OutcomeUnknown(other), other) << "rolled back";
  }
}

TEST(ErrorTest, WhatOnlyARestartMendsIsNotToBeTriedAgainByItself) {
  const absl::Status passing = StoreFailed("disk I/O error");
  EXPECT_GT(RetryDelayOf(passing), absl::ZeroDuration());
  EXPECT_EQ(ChineseOf(passing).find("重启"), std::string::npos);
  const absl::Status lasting = StoreFailed("disk I/O error; " + std::string(kUntilRestart));
  EXPECT_EQ(lasting.code(), passing.code());
  EXPECT_EQ(ReasonOf(lasting), ReasonOf(passing));
  EXPECT_EQ(RetryDelayOf(lasting), absl::ZeroDuration());
  EXPECT_NE(std::string(lasting.message()).find("systemctl restart hotline-work-order"), std::string::npos);
  EXPECT_NE(ChineseOf(lasting).find("systemctl restart hotline-work-order"), std::string::npos);
  EXPECT_NE(ChineseOf(lasting).find("未生效"), std::string::npos);
  EXPECT_NE(ChineseOf(lasting).find("移走"), std::string::npos) << "the cause";
  const absl::Status unknown = OutcomeUnknown(lasting);
  EXPECT_EQ(RetryDelayOf(unknown), absl::ZeroDuration());
  EXPECT_NE(ChineseOf(unknown).find("重启服务，并用同一请求编号重试"), std::string::npos);
  EXPECT_GT(RetryDelayOf(DiskFull()), absl::ZeroDuration()) << "it ends by itself once there is room";
}

TEST(ErrorTest, PrefixesFieldPaths) {
  EXPECT_EQ(FieldOf(WithFieldPrefix(Required("content.title"), "requests[3]")), "requests[3].content.title");
  const absl::Status no_field = OrderNotFound("x");
  EXPECT_EQ(WithFieldPrefix(no_field, "requests[3]"), no_field);
}

TEST(ErrorTest, EveryStateHasAChineseName) {
  const auto* states = type::v1::OrderState_descriptor();
  for (int i = 0; i < states->value_count(); ++i) {
    const auto state = static_cast<type::v1::OrderState>(states->value(i)->number());
    EXPECT_EQ(StateNameZh(state) == "未知", state == type::v1::ORDER_STATE_UNSPECIFIED)
        << states->value(i)->name();
  }
}

TEST(ErrorTest, RulesOfDutySayWhatToDoNext) {
  const absl::Status limit = ReturnLimit("order", "每件工单", 2);
  EXPECT_EQ(ReasonOf(limit), Reason::ERROR_REASON_RETURN_LIMIT);
  EXPECT_EQ(ChineseOf(limit), "退单次数已用完（每件工单可退2次），须经裁定明确承办方，不得再退回");
  const absl::Status bounce = Bounce("110", "12345→110", "12345→110");
  EXPECT_EQ(FieldOf(bounce), "offer.confirm_bounce");
  EXPECT_NE(std::string(bounce.message()).find("Its way: 12345→110"), std::string::npos);
  EXPECT_NE(ChineseOf(bounce).find("流转经过：12345→110"), std::string::npos);
  // What comes straight back went no way yet.
  const absl::Status back = Bounce("110", "", "");
  EXPECT_EQ(std::string(back.message()), "the order was at 110 before; confirm the push if that is meant");
  EXPECT_EQ(ChineseOf(back), "工单此前已到过110，如确需再次推送请确认");
  for (const absl::Status& status :
       {limit, bounce, Ruled(), DangerFirst(), Disputed(), OtherCopy("110-1-2")}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(ChineseOf(status), "");
  }
}

TEST(ErrorTest, WhoMayDoItIsNamed) {
  const absl::Status other = NotHolder("受理", "110", "receiver", "12345");
  EXPECT_EQ(ChineseOf(other), "只有接收方12345可以受理；当前持有方为110");
  EXPECT_EQ(std::string(other.message()), "only the receiver 12345 may do this; the holder is 110");
  EXPECT_EQ(NeededOf(other), "receiver");
  EXPECT_EQ(NeededOf(OrderNotFound("x")), "");
  EXPECT_EQ(ChineseOf(NotHolder("签收", "110", "holder")), "只有持有方可以签收；当前持有方为110");
}

TEST(ErrorTest, WrongStateNamesTheStateInBothLanguages) {
  const absl::Status status = WrongState("sign", "签收", type::v1::ORDER_STATE_CLOSED);
  EXPECT_EQ(ChineseOf(status), "工单状态为“已办结”，不能签收");
  EXPECT_EQ(std::string(status.message()), "cannot sign an order in state closed");
  const absl::Status working = WrongState("accept", "受理", type::v1::ORDER_STATE_IN_PROGRESS);
  EXPECT_EQ(std::string(working.message()), "cannot accept an order in state in progress");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ErrorTest, WrongStateNamesWhatComesFirst) {
  const std::vector<type::v1::OrderState> states = {type::v1::ORDER_STATE_REPLIED,
                                                    type::v1::ORDER_STATE_CALLED_BACK};
  const absl::Status status = WrongState("close", "办结", type::v1::ORDER_STATE_ACCEPTED, states);
  EXPECT_EQ(std::string(status.message()),
            "cannot close an order in state accepted; it is done in state replied or called back");
  EXPECT_EQ(ChineseOf(status), "工单状态为“已受理”，不能办结（须先处于“已答复”或“已回访”）");
  const std::vector<type::v1::OrderState> many(5, type::v1::ORDER_STATE_SIGNED);
  EXPECT_EQ(std::string(WrongState("close", "办结", type::v1::ORDER_STATE_ACCEPTED, many).message()),
            "cannot close an order in state accepted");
}

}  // namespace
}  // namespace hotline::error
