#include "tests/conformance/wire.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <regex>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/sha256.h"
#include "common/base/utf8.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace hotline::conformance {
namespace {

using exchange::v1::Envelope;

constexpr char kSm2UserId[] = "1234567812345678";

// The bytes that are signed.
std::string Signed(std::string_view domain, std::string_view statement) {
  std::string bytes(domain);
  bytes.push_back('\0');
  bytes.append(statement);
  return bytes;
}

template <typename Write>
std::string Pem(const Write& write) {
  BIO* out = BIO_new(BIO_s_mem());
  if (write(out) != 1) abort();
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string pem(data, static_cast<size_t>(size));
  BIO_free(out);
  return pem;
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string NameOf(exchange::v1::Lane lane) {
  return lane == exchange::v1::LANE_EMERGENCY ? "emergency" : "ordinary";
}

std::string StartOf(exchange::v1::Lane lane) {
  return std::string(32, lane == exchange::v1::LANE_EMERGENCY ? '\x01' : '\x00');
}

size_t BytesOf(const google::protobuf::RepeatedPtrField<Envelope>& envelopes) {
  size_t bytes = 0;
  for (const Envelope& envelope : envelopes) bytes += envelope.ByteSizeLong();
  return bytes;
}

std::string LeafOf(const Envelope& envelope) {
  return Sha256({BigEndian32(static_cast<uint32_t>(envelope.kind())),
                 BigEndian64(static_cast<uint64_t>(envelope.seen_sequence())),
                 BigEndian32(static_cast<uint32_t>(envelope.handoff_id().size())), envelope.handoff_id(),
                 envelope.body()});
}

std::string HashOf(std::string_view previous_hash, int64_t sequence, std::string_view leaf) {
  return Sha256({previous_hash, BigEndian64(static_cast<uint64_t>(sequence)), leaf});
}

void Chain(std::string_view previous_hash, Envelope* envelope) {
  envelope->set_previous_hash(std::string(previous_hash));
  envelope->set_hash(HashOf(previous_hash, envelope->sequence(), LeafOf(*envelope)));
}

bool Continues(std::string_view previous_hash, const Envelope& envelope) {
  return envelope.previous_hash() == previous_hash &&
         envelope.hash() == HashOf(previous_hash, envelope.sequence(), LeafOf(envelope));
}

struct Key::Native {
  explicit Native(EVP_PKEY* pkey) : pkey(pkey) {}
  ~Native() { EVP_PKEY_free(pkey); }
  Native(const Native&) = delete;
  Native& operator=(const Native&) = delete;

  bool sm2() const { return EVP_PKEY_is_a(pkey, "SM2") == 1; }
  // Null digest for Ed25519; SM3 and the user id for SM2.
  EVP_MD_CTX* Begin(bool sign) const {
    EVP_MD_CTX* digest = EVP_MD_CTX_new();
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_pkey(nullptr, pkey, nullptr);
    if (sm2()) EVP_PKEY_CTX_set1_id(context, kSm2UserId, sizeof(kSm2UserId) - 1);
    EVP_MD_CTX_set_pkey_ctx(digest, context);
    const EVP_MD* md = sm2() ? EVP_sm3() : nullptr;
    const int begun = sign ? EVP_DigestSignInit(digest, nullptr, md, nullptr, pkey)
                           : EVP_DigestVerifyInit(digest, nullptr, md, nullptr, pkey);
    if (begun != 1) abort();
    return digest;
  }
  static void End(EVP_MD_CTX* digest) {
    EVP_PKEY_CTX* context = EVP_MD_CTX_get_pkey_ctx(digest);
    EVP_MD_CTX_free(digest);
    // Set from outside, so it is not the digest's to free.
    EVP_PKEY_CTX_free(context);
  }

  EVP_PKEY* const pkey;
};

absl::StatusOr<Key> Key::Load(const std::string& file, const std::string& id) {
  FILE* pem = fopen(file.c_str(), "r");
  if (pem == nullptr) return absl::NotFoundError(absl::StrCat("cannot read ", file));
  EVP_PKEY* pkey = PEM_read_PrivateKey(pem, nullptr, nullptr, nullptr);
  if (pkey == nullptr) {
    rewind(pem);
    pkey = PEM_read_PUBKEY(pem, nullptr, nullptr, nullptr);
  }
  fclose(pem);
  if (pkey == nullptr) return absl::InvalidArgumentError(absl::StrCat(file, " holds no key in PEM"));
  auto native = std::make_shared<Native>(pkey);
  if (!native->sm2() && EVP_PKEY_is_a(pkey, "ED25519") != 1) {
    return absl::InvalidArgumentError(absl::StrCat(file, " is neither an Ed25519 nor an SM2 key"));
  }
  return Key(std::move(native), id);
}

Key Key::Make(const std::string& id, bool sm2) {
  EVP_PKEY* pkey = EVP_PKEY_Q_keygen(nullptr, nullptr, sm2 ? "SM2" : "ED25519");
  if (pkey == nullptr) abort();
  return Key(std::make_shared<Native>(pkey), id);
}

std::string Key::PrivatePem() const {
  return Pem([this](BIO* out) {
    return PEM_write_bio_PKCS8PrivateKey(out, native_->pkey, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

std::string Key::PublicPem() const {
  return Pem([this](BIO* out) { return PEM_write_bio_PUBKEY(out, native_->pkey); });
}

std::string Key::algorithm() const { return native_->sm2() ? "sign:sm2-sm3" : "sign:ed25519"; }

Signature Key::Sign(std::string_view domain, std::string_view statement) const {
  const std::string bytes = Signed(domain, statement);
  EVP_MD_CTX* digest = native_->Begin(/*sign=*/true);
  size_t size = 256;
  std::string value(size, '\0');
  if (EVP_DigestSign(digest, reinterpret_cast<unsigned char*>(value.data()), &size, Bytes(bytes),
                     bytes.size()) != 1) {
    abort();
  }
  Native::End(digest);
  value.resize(size);
  Signature signature;
  signature.set_key_id(id_);
  signature.set_algorithm(native_->sm2() ? type::v1::SIGNATURE_ALGORITHM_SM2_SM3
                                         : type::v1::SIGNATURE_ALGORITHM_ED25519);
  signature.set_value(std::move(value));
  return signature;
}

bool Key::Verifies(std::string_view domain, std::string_view statement, const Signature& signature) const {
  const auto algorithm =
      native_->sm2() ? type::v1::SIGNATURE_ALGORITHM_SM2_SM3 : type::v1::SIGNATURE_ALGORITHM_ED25519;
  if (signature.key_id() != id_ || signature.algorithm() != algorithm) return false;
  const std::string bytes = Signed(domain, statement);
  EVP_MD_CTX* digest = native_->Begin(/*sign=*/false);
  const int verdict = EVP_DigestVerify(digest, Bytes(signature.value()), signature.value().size(),
                                       Bytes(bytes), bytes.size());
  Native::End(digest);
  return verdict == 1;
}

bool HasLength(const std::string& text, int64_t least, int64_t most) {
  const std::optional<int64_t> length = CountCodePoints(text);
  return length.has_value() && *length >= least && *length <= most;
}

bool IsHotline(const std::string& code) {
  static const std::regex form("[0-9A-Za-z]{1,16}");
  return std::regex_match(code, form);
}

bool IsHandoffId(const std::string& id, const std::string& giver, int attempt) {
  constexpr size_t kLength = 13;
  constexpr char kDigits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const std::string prefix = giver + "-", suffix = absl::StrCat("-", attempt);
  if (id.size() != prefix.size() + kLength + suffix.size() || id.compare(0, prefix.size(), prefix) != 0 ||
      id.compare(prefix.size() + kLength, suffix.size(), suffix) != 0) {
    return false;
  }
  const std::string order = id.substr(prefix.size(), kLength);
  // 13 digits have 65 bits, a number has 63.
  return order[0] <= '7' && order.find_first_not_of(kDigits) == std::string::npos;
}

std::optional<BrokenBound> FindBrokenBound(const type::v1::OrderContent& content) {
  static const std::regex phone_form(R"(\+?[0-9]+(-[0-9]+)*)"), code_form("[a-z0-9_-]{1,32}"),
      language_form("[A-Za-z0-9-]{0,16}"), uri_form(R"([A-Za-z][A-Za-z0-9+.-]*:\S+)"),
      nine_digits("([0-9]{9})?"), six_digits("([0-9]{6})?");
  const auto has_form = [](const std::string& text, const std::regex& form) {
    return std::regex_match(text, form);
  };
  const auto is_line = [](const std::string& text, int64_t least, int64_t most) {
    return HasLength(text, least, most) && !HasControlCharacters(text, /*allow_line_breaks=*/false);
  };
  const auto are_lines = [](const std::string& text, int64_t least, int64_t most) {
    return HasLength(text, least, most) && !HasControlCharacters(text, /*allow_line_breaks=*/true);
  };
  const auto is_phone = [&](const std::string& phone) {
    return phone.empty() || (HasLength(phone, 3, 20) && has_form(phone, phone_form));
  };
  const auto are_codes = [&](const google::protobuf::RepeatedPtrField<std::string>& codes, int most) {
    return codes.size() <= most &&
           std::set<std::string>(codes.begin(), codes.end()).size() == static_cast<size_t>(codes.size()) &&
           std::all_of(codes.begin(), codes.end(),
                       [&](const std::string& code) { return has_form(code, code_form); });
  };
  const auto is_on_earth = [](const type::v1::Coordinates& at) {
    return std::abs(at.latitude()) <= 90 && std::abs(at.longitude()) <= 180;
  };
  const auto is_attachment = [&](const type::v1::Attachment& one) {
    return is_line(one.uri(), 1, 512) && has_form(one.uri(), uri_form) &&
           is_line(one.display_name(), 0, 128) && is_line(one.media_type(), 0, 64) && one.size_bytes() >= 0 &&
           one.size_bytes() <= int64_t{1} << 40 && one.sha256().size() == 32;
  };
  const type::v1::Caller& caller = content.caller();
  const type::v1::Place& place = content.place();
  const type::v1::CatalogueReference& catalogue = content.catalogue();
  const type::v1::CallReference& call = content.call();
  const auto& assisting = content.assist_units();
  const struct {
    bool holds;
    const char* field;
    const char* bound;
  } bounds[] = {
      {is_line(content.title(), 1, 100), "title", "one line of 1 to 100 characters"},
      {are_lines(content.text(), 1, 8000), "text", "1 to 8,000 characters without control characters"},
      {is_line(caller.name(), 0, caller.anonymous() ? 0 : 64), "caller.name",
       "at most 64 characters, none if anonymous"},
      {is_phone(caller.phone()) && !(caller.anonymous() && !caller.phone().empty()), "caller.phone",
       "a telephone number, empty if anonymous"},
      {is_phone(caller.contact_phone()), "caller.contact_phone", "a telephone number"},
      {has_form(caller.language(), language_form), "caller.language", "a BCP 47 tag"},
      {has_form(place.township_code(), nine_digits), "place.township_code", "9 digits"},
      {is_line(place.address(), 0, 200), "place.address", "at most 200 characters"},
      {is_on_earth(place.automatic_coordinates()) && is_on_earth(place.manual_coordinates()), "place",
       "on earth"},
      {is_line(catalogue.item(), content.has_catalogue() ? 1 : 0, 64), "catalogue.item",
       "1 to 64 characters"},
      {is_line(catalogue.version(), 0, 64), "catalogue.version", "at most 64 characters"},
      {content.lead_unit().empty() || has_form(content.lead_unit(), code_form), "lead_unit", "a unit's code"},
      {are_codes(assisting, 16) &&
           std::find(assisting.begin(), assisting.end(), content.lead_unit()) == assisting.end(),
       "assist_units", "at most 16 units' codes, none twice and without the lead unit"},
      {are_codes(content.accused_units(), 16), "accused_units", "at most 16 units' codes, none twice"},
      {is_line(call.call_id(), 0, 128) && is_line(call.recording_id(), 0, 128) && is_line(call.seat(), 0, 32),
       "call", "within its bounds"},
      {content.attachments_size() <= 32 &&
           std::all_of(content.attachments().begin(), content.attachments().end(), is_attachment),
       "attachments", "at most 32, each within its bounds"},
      {are_codes(content.tags(), 8), "tags", "at most 8 words, none twice"},
      {has_form(content.police().incident_code(), six_digits), "police.incident_code", "6 digits"},
      {is_line(content.police().related_number(), 0, 64), "police.related_number", "at most 64 characters"},
      {are_lines(content.police().action(), 0, 2000), "police.action", "at most 2,000 characters"},
  };
  for (const auto& [holds, field, bound] : bounds) {
    if (!holds) return BrokenBound{field, bound};
  }
  return std::nullopt;
}

int VersionFor(const exchange::v1::GetLinkRequest& request) {
  const auto& versions = request.supported_versions();
  if (versions.empty()) return request.protocol_version();
  return std::find(versions.begin(), versions.end(), 1) != versions.end() ? 1 : versions[0];
}

void SignBatch(const Key& key, exchange::v1::DeliverRequest* request) {
  if (request->envelopes().empty()) return;
  exchange::v1::BatchStatement statement;
  statement.set_protocol_version(request->protocol_version());
  statement.set_from_hotline(request->from_hotline());
  statement.set_to_hotline(request->to_hotline());
  statement.set_lane(request->lane());
  const Envelope& first = request->envelopes(0);
  const Envelope& last = request->envelopes(request->envelopes_size() - 1);
  statement.set_first_sequence(first.sequence());
  statement.set_last_sequence(last.sequence());
  statement.set_previous_hash(first.previous_hash());
  statement.set_head_hash(last.hash());
  *statement.mutable_send_time() = request->send_time();
  request->set_statement(statement.SerializeAsString());
  *request->mutable_signature() = key.Sign(kBatchDomain, request->statement());
}

std::string FaultOfBatch(const Key& key, const exchange::v1::DeliverRequest& request) {
  if (request.statement().empty() || !request.has_signature()) return "no signature";
  if (!key.Verifies(kBatchDomain, request.statement(), request.signature())) return "a bad signature";
  exchange::v1::BatchStatement statement;
  if (!statement.ParseFromString(request.statement())) return "a statement that cannot be read";
  if (request.envelopes().empty()) return "a statement without envelopes";
  const Envelope& first = request.envelopes(0);
  const Envelope& last = request.envelopes(request.envelopes_size() - 1);
  const bool meant =
      statement.protocol_version() == request.protocol_version() &&
      statement.from_hotline() == request.from_hotline() && statement.to_hotline() == request.to_hotline() &&
      statement.lane() == request.lane() && statement.first_sequence() == first.sequence() &&
      statement.last_sequence() == last.sequence() && statement.previous_hash() == first.previous_hash() &&
      statement.head_hash() == last.hash();
  return meant ? "" : "a statement about another batch";
}

void SignReceipt(const Key& key, const std::string& from, const std::string& to,
                 exchange::v1::LinkReceipt* receipt) {
  exchange::v1::ReceiptStatement statement;
  statement.set_protocol_version(1);
  statement.set_from_hotline(from);
  statement.set_to_hotline(to);
  statement.set_lane(receipt->lane());
  statement.set_received_through(receipt->received_through());
  statement.set_head_hash(receipt->head_hash());
  if (receipt->has_receive_time()) *statement.mutable_receive_time() = receipt->receive_time();
  receipt->set_statement(statement.SerializeAsString());
  *receipt->mutable_signature() = key.Sign(kReceiptDomain, receipt->statement());
}

std::string FaultOfReceipt(const Key& key, const std::string& from, const std::string& to,
                           const exchange::v1::LinkReceipt& receipt) {
  if (receipt.statement().empty() || !receipt.has_signature()) return "no signature";
  if (!key.Verifies(kReceiptDomain, receipt.statement(), receipt.signature())) return "a bad signature";
  exchange::v1::ReceiptStatement statement;
  if (!statement.ParseFromString(receipt.statement())) return "a statement that cannot be read";
  const bool meant = statement.protocol_version() == 1 && statement.from_hotline() == from &&
                     statement.to_hotline() == to && statement.lane() == receipt.lane() &&
                     statement.received_through() == receipt.received_through() &&
                     statement.head_hash() == receipt.head_hash() &&
                     statement.receive_time().seconds() == receipt.receive_time().seconds() &&
                     statement.receive_time().nanos() == receipt.receive_time().nanos();
  return meant ? "" : "a statement about another receipt";
}

std::string Refusal::Describe() const {
  constexpr const char* kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  if (code == grpc::StatusCode::OK) return "success";
  const char* name = code >= 0 && code <= 16 ? kNames[code] : "?";
  return absl::StrCat(reason.empty() ? "no reason" : reason, " (", name, ")", message.empty() ? "" : ": ",
                      message.substr(0, 160));
}

Refusal Read(const grpc::Status& status) {
  Refusal refusal;
  refusal.code = status.error_code();
  refusal.message = status.error_message();
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return refusal;
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&info)) {
      refusal.domain = info.domain();
      refusal.reason = info.reason();
      refusal.metadata = {info.metadata().begin(), info.metadata().end()};
    } else if (detail.UnpackTo(&bad) && bad.field_violations_size() > 0) {
      refusal.field = bad.field_violations(0).field();
    } else if (detail.UnpackTo(&retry)) {
      refusal.retry_after =
          absl::Seconds(retry.retry_delay().seconds()) + absl::Nanoseconds(retry.retry_delay().nanos());
    }
  }
  return refusal;
}

grpc::Status Refuse(grpc::StatusCode code, const std::string& reason, const std::string& message,
                    const std::map<std::string, std::string>& metadata, absl::Duration retry_after) {
  google::rpc::Status details;
  details.set_code(static_cast<int>(code));
  details.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_domain("hotline");
  info.set_reason(reason);
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  details.add_details()->PackFrom(info);
  if (retry_after > absl::ZeroDuration()) {
    google::rpc::RetryInfo retry;
    const int64_t nanos = absl::ToInt64Nanoseconds(retry_after);
    retry.mutable_retry_delay()->set_seconds(nanos / 1'000'000'000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
    details.add_details()->PackFrom(retry);
  }
  return grpc::Status(code, message, details.SerializeAsString());
}

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

std::string Hex(std::string_view bytes) {
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

}  // namespace hotline::conformance
