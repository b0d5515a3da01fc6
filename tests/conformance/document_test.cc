// Holds proto/hotline/exchange/v1/README.md to the protos and to the kit: its clauses are those that the kit
// judges, its worked examples are reckoned again, and its JSON is parsed.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <fstream>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/sha256.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "hotline/exchange/v1/exchange_service.pb.h"
#include "hotline/type/v1/error_reason.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "tests/conformance/report.h"
#include "tests/conformance/wire.h"

namespace hotline::conformance {
namespace {

using testing::ElementsAreArray;
using testing::Not;
using testing::SizeIs;

const std::string& Document() {
  static const auto* const kText = [] {
    std::ifstream file(HOTLINE_SOURCE_DIR "/proto/hotline/exchange/v1/README.md", std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return new std::string(text.str());
  }();
  return *kText;
}

// A code block that follows `<!-- marker -->`.
struct Block {
  std::string marker;
  std::string text;
};

std::vector<Block> Blocks() {
  const std::regex block("<!-- ([a-z]+: [^>]*?) -->\n```(?:json)?\n([^`]*)```");
  std::vector<Block> blocks;
  for (std::sregex_iterator it(Document().begin(), Document().end(), block), end; it != end; ++it) {
    blocks.push_back({(*it)[1], (*it)[2]});
  }
  return blocks;
}

std::string TextOf(const std::string& marker) {
  for (const Block& block : Blocks()) {
    if (block.marker == marker) return block.text;
  }
  ADD_FAILURE() << "no block " << marker;
  return "";
}

// A line of a worked example: `name value`, or `name = value` if it is reckoned.
struct WorkedLine {
  std::string name;
  bool reckoned = false;
  std::string value;
};

std::vector<WorkedLine> Worked(const std::string& marker) {
  std::vector<WorkedLine> lines;
  std::istringstream text(TextOf(marker));
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    WorkedLine worked;
    words >> worked.name >> worked.value;
    if (worked.value == "=") {
      worked.reckoned = true;
      words >> worked.value;
    }
    lines.push_back(worked);
  }
  return lines;
}

std::string Unhex(const std::string& hex) { return absl::HexStringToBytes(hex); }

TEST(DocumentTest, ClausesAreThoseOfTheKit) {
  const std::regex clause(R"re(\*\*\[(X-[A-Z]+-[0-9]+)\]((?:°)?)\*\*)re");
  std::vector<std::string> judged;
  std::set<std::string> all;
  for (std::sregex_iterator it(Document().begin(), Document().end(), clause), end; it != end; ++it) {
    EXPECT_TRUE(all.insert((*it)[1]).second) << (*it)[1] << " stands twice";
    if ((*it)[2].length() == 0) judged.push_back((*it)[1]);
  }
  std::vector<std::string> of_kit;
  for (const Clause& one : Clauses()) of_kit.emplace_back(one.name);
  std::sort(judged.begin(), judged.end());
  std::sort(of_kit.begin(), of_kit.end());
  EXPECT_THAT(judged, ElementsAreArray(of_kit));
}

TEST(DocumentTest, ChainIsReckonedRight) {
  exchange::v1::Envelope envelope;
  std::string previous, leaf;
  int reckoned = 0;
  for (const WorkedLine& line : Worked("worked: chain")) {
    int64_t number = 0;
    if (line.name == "previous_hash") previous = Unhex(line.value);
    if (line.name == "sequence" && absl::SimpleAtoi(line.value, &number)) envelope.set_sequence(number);
    if (line.name == "kind" && absl::SimpleAtoi(line.value, &number)) {
      envelope.set_kind(static_cast<exchange::v1::EnvelopeKind>(number));
    }
    if (line.name == "seen_sequence" && absl::SimpleAtoi(line.value, &number)) {
      envelope.set_seen_sequence(number);
    }
    if (line.name == "handoff_id") envelope.set_handoff_id(line.value);
    if (line.name == "body") envelope.set_body(Unhex(line.value));
    if (line.name == "leaf") {
      ++reckoned;
      EXPECT_EQ(line.value, Hex(LeafOf(envelope)));
    }
    if (line.name == "hash") {
      ++reckoned;
      Chain(previous, &envelope);
      EXPECT_EQ(line.value, Hex(envelope.hash()));
      previous = envelope.hash();
    }
  }
  EXPECT_EQ(reckoned, 4);
}

// The two hashes that stand last and last but one in the worked chain.
std::pair<std::string, std::string> WorkedHashes() {
  std::vector<std::string> hashes;
  for (const WorkedLine& line : Worked("worked: chain")) {
    if (line.name == "hash") hashes.push_back(Unhex(line.value));
  }
  EXPECT_THAT(hashes, SizeIs(2));
  hashes.resize(2);
  return {hashes[0], hashes[1]};
}

TEST(DocumentTest, SignatureIsReckonedRight) {
  std::map<std::string, std::string> lines;
  for (const WorkedLine& line : Worked("worked: signature")) lines[line.name] = line.value;
  const std::string seed = Unhex(lines["seed"]);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                   reinterpret_cast<const unsigned char*>(seed.data()), seed.size()),
      &EVP_PKEY_free);
  ASSERT_NE(key, nullptr);
  std::string public_key(32, '\0');
  size_t size = public_key.size();
  EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(public_key.data()), &size);
  EXPECT_EQ(lines["public_key"], Hex(public_key));

  exchange::v1::BatchStatement statement;
  statement.set_protocol_version(1);
  statement.set_from_hotline("12345");
  statement.set_to_hotline("110");
  statement.set_lane(exchange::v1::LANE_ORDINARY);
  statement.set_first_sequence(2);
  statement.set_last_sequence(2);
  std::tie(*statement.mutable_previous_hash(), *statement.mutable_head_hash()) = WorkedHashes();
  statement.mutable_send_time()->set_seconds(1795485600);  // 2026-11-24T02:00:00Z
  const std::string bytes = statement.SerializeAsString();
  EXPECT_EQ(lines["statement"], Hex(bytes));

  std::string message = "hotline.exchange.v1.BatchStatement";
  message.push_back('\0');
  message += bytes;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  ASSERT_EQ(EVP_DigestSignInit(digest.get(), nullptr, nullptr, nullptr, key.get()), 1);
  std::string signature(64, '\0');
  size = signature.size();
  ASSERT_EQ(EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                           reinterpret_cast<const unsigned char*>(message.data()), message.size()),
            1);
  EXPECT_EQ(lines["signature"], Hex(signature));
}

TEST(DocumentTest, SpokenCodeIsReckonedRight) {
  std::map<std::string, std::string> lines;
  for (const WorkedLine& line : Worked("worked: spoken-code")) lines[line.name] = line.value;
  const std::string hash =
      Sha256({"hotline.exchange.v1/spoken-code", lines["handoff_id"], Unhex(lines["content_digest"])});
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | static_cast<unsigned char>(hash[static_cast<size_t>(i)]);
  EXPECT_EQ(lines["code"], absl::StrFormat("%04d", number % 10'000));
}

// The message of an example, by its marker `example: <type> [name]`.
template <typename Message>
Message Example(const std::string& name) {
  Message message;
  const std::string marker =
      absl::StrCat("example: ", Message::descriptor()->full_name(), name.empty() ? "" : " ", name);
  const auto status = google::protobuf::util::JsonStringToMessage(TextOf(marker), &message);
  EXPECT_TRUE(status.ok()) << marker << ": " << status.ToString();
  return message;
}

TEST(DocumentTest, EveryExampleIsAMessage) {
  const auto* const pool = google::protobuf::DescriptorPool::generated_pool();
  auto* const factory = google::protobuf::MessageFactory::generated_factory();
  int examples = 0;
  for (const Block& block : Blocks()) {
    if (block.marker.rfind("example: ", 0) != 0) continue;
    ++examples;
    const std::string rest = block.marker.substr(9);
    const auto* const type = pool->FindMessageTypeByName(rest.substr(0, rest.find(' ')));
    ASSERT_NE(type, nullptr) << block.marker;
    const std::unique_ptr<google::protobuf::Message> message(factory->GetPrototype(type)->New());
    // Strict: a field that is not in the proto is an error.
    const auto status = google::protobuf::util::JsonStringToMessage(block.text, message.get());
    EXPECT_TRUE(status.ok()) << block.marker << ": " << status.ToString();
    EXPECT_THAT(message->SerializeAsString(), Not(testing::IsEmpty())) << block.marker;
  }
  EXPECT_GE(examples, 10);
}

TEST(DocumentTest, ExamplesFitTogether) {
  const auto content = Example<type::v1::OrderContent>("content");
  auto offer = Example<exchange::v1::OfferBody>("offer");
  EXPECT_EQ(offer.content(), content.SerializeAsString())
      << "content: " << absl::Base64Escape(content.SerializeAsString());
  offer.set_content(content.SerializeAsString());
  const auto request = Example<exchange::v1::DeliverRequest>("deliver");
  ASSERT_EQ(request.envelopes_size(), 1);
  exchange::v1::Envelope envelope = request.envelopes(0);
  EXPECT_EQ(envelope.body(), offer.SerializeAsString())
      << "body: " << absl::Base64Escape(offer.SerializeAsString());
  envelope.set_body(offer.SerializeAsString());
  Chain(StartOf(request.lane()), &envelope);
  EXPECT_EQ(request.envelopes(0).hash(), envelope.hash()) << "hash: " << absl::Base64Escape(envelope.hash());
  EXPECT_EQ(Example<exchange::v1::DeliverResponse>("deliver").receipt().head_hash(), envelope.hash());
}

TEST(DocumentTest, NamesWhatExists) {
  // Reasons in the table of errors.
  const std::regex row(R"re(\n\| ([A-Z_]+(?:, [A-Z_]+)*) \| [A-Z_]+ \|)re");
  int reasons = 0;
  for (std::sregex_iterator it(Document().begin(), Document().end(), row), end; it != end; ++it) {
    std::istringstream names(std::regex_replace(std::string((*it)[1]), std::regex(","), " "));
    for (std::string name; names >> name;) {
      ++reasons;
      type::v1::ErrorReason reason;
      EXPECT_TRUE(type::v1::ErrorReason_Parse("ERROR_REASON_" + name, &reason)) << name;
    }
  }
  EXPECT_GE(reasons, 15);
  // Every kind has its row.
  const auto* const kinds = exchange::v1::EnvelopeKind_descriptor();
  for (int i = 1; i < kinds->value_count(); ++i) {
    const std::string name = kinds->value(i)->name().substr(sizeof("ENVELOPE_KIND_") - 1);
    EXPECT_NE(Document().find("\n| " + name + " | "), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace hotline::conformance
