// The one catalogue of errors: a constructor for each family of reasons. A failure is an absl::Status whose
// code says what the caller should do; its reason, bad fields, retry delay and Chinese message travel in it
// as a serialized google.rpc.Status, which the edges put on the wire as it is.
#ifndef COMMON_ERROR_ERROR_H_
#define COMMON_ERROR_ERROR_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"
#include "hotline/type/v1/error_reason.pb.h"
#include "hotline/type/v1/order_state.pb.h"

namespace hotline::error {

using Reason = hotline::type::v1::ErrorReason;

// INVALID_ARGUMENT for `field`, a dotted path as the client sees it (`content.caller.phone`,
// `content.attachments[2].uri`). `english` and `chinese` say what is wrong with it, without the value
// if that may be personal.
absl::Status BadField(Reason reason, std::string_view field, std::string_view english,
                      std::string_view chinese);
// Frequent kinds of the same.
absl::Status Required(std::string_view field);
absl::Status TooLong(std::string_view field, int64_t max_code_points);
absl::Status BadText(std::string_view field);
absl::Status BadEnum(std::string_view field, int value);

absl::Status OrderNotFound(std::string_view id_or_number);
// `command` and `command_zh` name the command, e.g. "sign", "签收". `possible` are the states in which it can
// be done by whom it is refused here, if that tells him what has to come first: a few are named, many are
// not.
absl::Status WrongState(std::string_view command, std::string_view command_zh,
                        hotline::type::v1::OrderState state,
                        std::span<const hotline::type::v1::OrderState> possible = {});
// `needed` is who may do it: `holder`, `origin`, `giver`, `receiver`; `who` its hotline, unless it is the
// holder.
absl::Status NotHolder(std::string_view command_zh, std::string_view holder, std::string_view needed,
                       std::string_view who = "");
// The order came back to this site and is worked on in the copy that `handoff_id` names. Reason NOT_HOLDER.
absl::Status OtherCopy(std::string_view handoff_id);
absl::Status Suspended();
absl::Status SpokenCodeWrong();
// The `limit` free returns of one unit, or of one order, are used up. `whose` is `unit` or `order`;
// `whose_zh` is 每个单位 or 每件工单.
absl::Status ReturnLimit(std::string_view whose, std::string_view whose_zh, int limit);
// The time in which `unit` may return the order is over.
absl::Status ReturnWindowOver(std::string_view unit);
// `way` and `way_zh` list where the order has been; empty if nobody gave it back or passed it on yet.
absl::Status Bounce(std::string_view target, std::string_view way, std::string_view way_zh);
absl::Status Ruled();
absl::Status DangerFirst();
absl::Status Disputed();
absl::Status Restricted();
// `number` is the order that the work is done under.
absl::Status Merged(std::string_view number);
// The order is one that others are kept under, `number` the first of them; it may not `what`, `what_zh`.
// Reason MERGED.
absl::Status HasMerged(std::string_view number, std::string_view what, std::string_view what_zh);
// `numbers` are those of the orders whose callers wait.
absl::Status UnansweredCallers(std::string_view numbers);
// A ruling names another unit than `unit`, or `unit` itself. Reason RULED.
absl::Status RuledUnit(std::string_view unit);
absl::Status ExtensionTooLate();
absl::Status ExtensionLimit(int limit);
// `open`: one is asked for already; else none is.
absl::Status ExtensionPending(bool open);
absl::Status PreviewStale(std::string_view english, std::string_view chinese);
absl::Status PublicationRunning(int64_t publication);
// `has` and `has_zh` name the clocks that it has; empty if it has none.
absl::Status ClockNotFound(std::string_view order, std::string_view has, std::string_view has_zh);
// `limit` is in orders.
absl::Status ReportTooLarge(std::string_view field, int64_t limit);
// The log is read up to `cursor`, of `head`.
absl::Status ReportBehind(int64_t cursor, int64_t head);
absl::Status NoBreach();
absl::Status DocketItemNotFound(std::string_view item_id);
absl::Status DocketSettled(std::string_view item_id);
absl::Status NotRuled();
absl::Status NoCatalogue();
// `question` is in Chinese; `advice` says in Chinese what the ladder waits for.
absl::Status RouteUndecided(std::string_view question, std::string_view question_en, std::string_view advice);
absl::Status OwnMatter(std::string_view english, std::string_view chinese);
// The unit is one that the matter accuses.
absl::Status UnitRecused(std::string_view field, std::string_view unit);
// `field` is where the request names the version.
absl::Status CatalogueVersionUnknown(std::string_view version, std::string_view field = "version");
// Advice rests on a model that is still made, as after a start. UNAVAILABLE with reason OVERLOADED; nothing
// of the request was done.
absl::Status AdviceNotReady();
absl::Status ItemUnknown(std::string_view field, std::string_view version);
absl::Status CatalogueInvalid(std::string_view english, std::string_view chinese);
absl::Status UnitNotAssigned(std::string_view unit);
// `unit` assists, and only the lead unit returns an order. Reason UNIT_NOT_ASSIGNED.
absl::Status NotLeadUnit(std::string_view unit);
absl::Status RequestIdReused(std::string_view request_id);
absl::Status StaleVersion(int64_t expected, int64_t actual);
// `field` is where the request says what it wants.
absl::Status SequenceOutOfRange(int64_t wanted, int64_t head, std::string_view field = "start_sequence");
absl::Status TargetUnknown(std::string_view hotline);
absl::Status PeerUnknown(std::string_view hotline);
// A peer takes this site, `hotline`, for `to_hotline`. Reason PEER_UNKNOWN.
absl::Status NotThisSite(std::string_view to_hotline, std::string_view hotline);
// `may` are those who may, as `12345/supervisor, 12345/admin`; empty where nobody may or it is not known.
absl::Status RoleForbidden(std::string_view identity, std::string_view method, std::string_view may = {});
absl::Status ProtocolVersionUnsupported(int theirs, int ours);
absl::Status LinkForked(std::string_view peer, int64_t sequence);
absl::Status NoSigningKey();
absl::Status EvidenceTooLarge(int64_t max_bytes);
absl::Status SignatureMissing(std::string_view party);
// `english` and `chinese` say why the signature by `party`'s key is not good.
absl::Status SignatureInvalid(std::string_view party, std::string_view key_id, std::string_view english,
                              std::string_view chinese);
// The peer has received up to `theirs` from this site, which knows of `ours` only.
absl::Status LinkBehind(std::string_view peer, int64_t theirs, int64_t ours);
// `queue` names what is full.
absl::Status Overloaded(std::string_view queue, absl::Duration retry_after);
// What a store ends its words with once it takes nothing more until the service is started anew.
inline constexpr std::string_view kUntilRestart =
    "nothing is taken until the service is restarted (systemctl restart hotline-work-order, or "
    "hotline-escalation)";
// Nothing of the request was done. It says when to try again, unless `what` ends with kUntilRestart.
absl::Status StoreFailed(std::string_view what);
// For whoever starts a service: a store that cannot be used, and why. Reason STORE_FAILED.
absl::Status StoreNotOpened(std::string_view english, std::string_view chinese);
// The same, but of a commit: what it was to make may be there once the store is opened again, so the request
// is repeated under its id, never made anew; one that `has_no_id` is simply repeated. Any other `failure`, a
// full disk above all, was rolled back and stays as it is.
absl::Status OutcomeUnknown(const absl::Status& failure, bool has_no_id = false);
// The directories of a peer that only files reach.
absl::Status SpoolFailed(std::string_view what);
absl::Status DiskFull();

// Keeping and erasing what a site has.
absl::Status BackupNotConfigured();
absl::Status BackupRunning();
absl::Status BackupExists(std::string_view name);
// `store` is a file; a release that knows schema `known` at most has found `found` in it.
absl::Status SchemaNewer(std::string_view store, int64_t found, int64_t known);
absl::Status LegalHold(std::string_view reference);
absl::Status NotHeld();
absl::Status ContentErased();
absl::Status RetentionRunning();
absl::Status WorkOrderUnreachable(std::string_view what);
absl::Status PeerUnreachable(std::string_view peer);
// `peer` speaks the protocol, but not the optional part of it that is needed.
absl::Status PeerDoesNotOffer(std::string_view peer);
// What an exchange with `peer` failed with, as an error of this site: code, reason and retry delay stay, the
// peer's words, which may hold anything, do not. A transport's failure becomes PEER_UNREACHABLE, a method
// that the peer does not have PeerDoesNotOffer, any other without a reason has INTERNAL.
absl::Status OfPeer(std::string_view peer, const absl::Status& failure);
absl::Status Draining();
absl::Status Internal(std::string_view what);
// NOT_FOUND. `what` is `unit` or `person`, `what_zh` 单位 or 人员; `name` is how it was called.
absl::Status DirectoryUnknown(std::string_view field, std::string_view what, std::string_view what_zh,
                              std::string_view name);
// FAILED_PRECONDITION: a change of the directory that its rules do not allow.
absl::Status DirectoryRefused(Reason reason, std::string_view field, std::string_view english,
                              std::string_view chinese);
absl::Status DirectoryStale(int64_t expected, int64_t actual);
// `what` is `notification` or `delivery`, `what_zh` 通知 or 投递.
absl::Status NoticeUnknown(Reason reason, std::string_view what, std::string_view what_zh,
                           std::string_view id);
absl::Status DeliveryNotDead(std::string_view id);

// `status` with `prefix.` before each field path in it (`prefix` = `commands[3]`).
absl::Status WithFieldPrefix(const absl::Status& status, std::string_view prefix);
// The reverse, in the messages too, for a request whose fields were moved into a command's: `prefix.` is
// taken from the field paths that begin with it.
absl::Status WithoutFieldPrefix(const absl::Status& status, std::string_view prefix);

// The reason in `status`; UNSPECIFIED if it carries none (e.g. it came from a transport).
Reason ReasonOf(const absl::Status& status);
// First bad field's path, or empty.
std::string FieldOf(const absl::Status& status);
// Message in Chinese, or empty.
std::string ChineseOf(const absl::Status& status);
// `needed` of NotHolder; empty otherwise.
std::string NeededOf(const absl::Status& status);
// How long to wait before trying again; zero if it does not say.
absl::Duration RetryDelayOf(const absl::Status& status);
// Name as on the wire: `WRONG_STATE`.
std::string_view ReasonName(Reason reason);
// 已受理 etc.
std::string_view StateNameZh(hotline::type::v1::OrderState state);

// To and from the wire form. `ToProto(OkStatus())` is empty; an unknown code reads as UNKNOWN.
google::rpc::Status ToProto(const absl::Status& status);
absl::Status FromProto(const google::rpc::Status& status);

}  // namespace hotline::error

#endif  // COMMON_ERROR_ERROR_H_
