// What hotline.exchange.v1 says of bytes: chain, statements, signatures, errors. Written from
// proto/hotline/exchange/v1/README.md and not from the product, so that the kit does not share its mistakes.
#ifndef TESTS_CONFORMANCE_WIRE_H_
#define TESTS_CONFORMANCE_WIRE_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotline/exchange/v1/exchange_service.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::conformance {

using Signature = std::remove_cvref_t<decltype(std::declval<exchange::v1::SignedBatch>().signature())>;

// Lanes by name, as errors and reports say them: `ordinary`, `emergency`.
std::string NameOf(exchange::v1::Lane lane);

// What a sender may put into one batch.
inline constexpr int kMaxEnvelopes = 512;
inline constexpr size_t kMaxBatchBytes = 4 << 20;
// Sum of the envelopes as they are serialized.
size_t BytesOf(const google::protobuf::RepeatedPtrField<exchange::v1::Envelope>& envelopes);

// What the first envelope of a lane follows: 32 bytes.
std::string StartOf(exchange::v1::Lane lane);
std::string LeafOf(const exchange::v1::Envelope& envelope);
std::string HashOf(std::string_view previous_hash, int64_t sequence, std::string_view leaf);
// Sets both hashes of `envelope`, whose other fields are set, to follow `previous_hash`.
void Chain(std::string_view previous_hash, exchange::v1::Envelope* envelope);
// Both hashes are what they have to be behind `previous_hash`.
bool Continues(std::string_view previous_hash, const exchange::v1::Envelope& envelope);

inline constexpr std::string_view kBatchDomain = "hotline.exchange.v1.BatchStatement";
inline constexpr std::string_view kReceiptDomain = "hotline.exchange.v1.ReceiptStatement";

// One key of a party: Ed25519 or SM2, private or public. Copies share it.
class Key {
 public:
  // `file` is PEM: PKCS#8 if private, SubjectPublicKeyInfo if public.
  static absl::StatusOr<Key> Load(const std::string& file, const std::string& id);
  // A new private key; Ed25519 unless `sm2`.
  static Key Make(const std::string& id, bool sm2 = false);

  Signature Sign(std::string_view domain, std::string_view statement) const;
  // `signature` is by this key (its id and algorithm included).
  bool Verifies(std::string_view domain, std::string_view statement, const Signature& signature) const;
  const std::string& id() const { return id_; }
  // PEM: PKCS#8 without a pass phrase, SubjectPublicKeyInfo.
  std::string PrivatePem() const;
  std::string PublicPem() const;
  // As `sign:…` in capabilities.
  std::string algorithm() const;

 private:
  struct Native;
  Key(std::shared_ptr<Native> native, std::string id) : native_(std::move(native)), id_(std::move(id)) {}
  std::shared_ptr<Native> native_;
  std::string id_;
};

// Whether `text` has `least` to `most` characters: not bytes, of which one in Chinese has three.
bool HasLength(const std::string& text, int64_t least, int64_t most);
// A hotline's code.
bool IsHotline(const std::string& code);
// `id` is `<giver>-<order id>-<attempt>`, with an order id as it has to be written.
bool IsHandoffId(const std::string& id, const std::string& giver, int attempt);
// A field of an offer's content and the bound that it breaks.
struct BrokenBound {
  std::string field;
  std::string bound;
};
// The first one of those that a taker insists on, if any is broken. What is required may be missing.
std::optional<BrokenBound> FindBrokenBound(const type::v1::OrderContent& content);
// The version to speak with who asks so: 1 if it is among the caller's, which are the list if there is one;
// else one of the caller's.
int VersionFor(const exchange::v1::GetLinkRequest& request);

// Fills `statement` and `signature` of a batch that is otherwise complete.
void SignBatch(const Key& key, exchange::v1::DeliverRequest* request);
// What is wrong with a batch's statement and signature; empty if nothing.
std::string FaultOfBatch(const Key& key, const exchange::v1::DeliverRequest& request);
// The same of a receipt that `from` gave to `to`.
void SignReceipt(const Key& key, const std::string& from, const std::string& to,
                 exchange::v1::LinkReceipt* receipt);
std::string FaultOfReceipt(const Key& key, const std::string& from, const std::string& to,
                           const exchange::v1::LinkReceipt& receipt);

// The details of a failed call.
struct Refusal {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message;
  std::string domain;  // ErrorInfo; empty if it has none
  std::string reason;
  std::map<std::string, std::string> metadata;
  std::string field;  // first field violation
  absl::Duration retry_after;
  // `LINK_FORKED (DATA_LOSS)`.
  std::string Describe() const;
};
Refusal Read(const grpc::Status& status);
// A failure as this protocol wants it. With RetryInfo if `retry_after` is more than zero.
grpc::Status Refuse(grpc::StatusCode code, const std::string& reason, const std::string& message,
                    const std::map<std::string, std::string>& metadata = {},
                    absl::Duration retry_after = absl::ZeroDuration());

void SetTime(absl::Time time, google::protobuf::Timestamp* out);
absl::Time TimeOf(const google::protobuf::Timestamp& time);
std::string Hex(std::string_view bytes);

}  // namespace hotline::conformance

#endif  // TESTS_CONFORMANCE_WIRE_H_
