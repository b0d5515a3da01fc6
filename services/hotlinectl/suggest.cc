// suggest: whose matter a text is, and why; offline from the files of the model, or by a site.
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/boot/catalogue_file.h"
#include "common/boot/suggest_file.h"
#include "common/error/error.h"
#include "common/suggest/examples.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/input.h"
#include "services/hotlinectl/core/output.h"
#include "services/hotlinectl/core/render.h"
#include "services/hotlinectl/core/text_catalogue.h"
#include "services/hotlinectl/core/text_suggest.h"

namespace hotline::hotlinectl {
namespace {

namespace fs = std::filesystem;

// A line of the input, read.
struct Question {
  std::string id_json;  // as it stood: a string or a number
  std::string text;
  std::string received_by;
  type::v1::Channel channel = type::v1::CHANNEL_UNSPECIFIED;
};

// The answer, whoever gave it.
struct Answer {
  struct Word {
    std::string text;
    std::string meaning;
    double weight = 0;
  };
  struct Item {
    std::string code;
    std::string title;
    std::string text;
    std::string legal_basis;
    double probability = 0;
    std::vector<Word> words;
  };
  std::string hotline;  // a code, `unclear` or `none`
  bool emergency = false;
  double confidence = 0;
  std::vector<Item> items;
  std::vector<std::string> units;  // names: the lead, then those that assist
  std::vector<std::string> unit_codes;
  bool units_open = false;  // a person says which of them leads, or the receiving hotline does
  std::vector<Word> words;
  // A clause of the annex that took the matter out of an item.
  struct Exclusion {
    std::string item;
    config::v1::ExclusionKind kind = config::v1::EXCLUSION_KIND_UNSPECIFIED;
    std::string quote;
    std::string word;
    std::string instead_item;
    std::string note;
  };
  std::vector<Exclusion> exclusions;
  std::string question;
  std::string version;
};

void PutOnce(const std::string& code, std::vector<std::string>* codes) {
  if (std::find(codes->begin(), codes->end(), code) == codes->end()) codes->push_back(code);
}

// Two or three decimals, without what the locale might add.
std::string Decimal(double value, int places) {
  const double scale = std::pow(10.0, places);
  const auto whole = static_cast<int64_t>(std::llround(value * scale));
  std::string digits = StrCat(whole);
  while (static_cast<int>(digits.size()) <= places) digits.insert(size_t{0}, size_t{1}, '0');
  return digits.insert(digits.size() - static_cast<size_t>(places), size_t{1}, '.');
}

std::string Percent(int part, int whole) {
  return whole == 0 ? "-" : StrCat(Decimal(100.0 * part / whole, 1), "%");
}

// ---- Who answers

class Adviser {
 public:
  virtual ~Adviser() = default;
  virtual std::optional<Failure> Ask(const Question& question, Answer* answer) = 0;
};

class OfflineAdviser final : public Adviser {
 public:
  explicit OfflineAdviser(std::shared_ptr<const suggest::Suggester> suggester, absl::Time now)
      : suggester_(std::move(suggester)), day_(catalogue::DayOf(now)) {}

  std::optional<Failure> Ask(const Question& question, Answer* answer) override {
    suggest::Query query;
    query.text = question.text;
    query.received_by = question.received_by;
    query.day = day_;
    const suggest::Suggestion suggestion = suggester_->Suggest(query);
    const catalogue::Catalogue& catalogue = suggester_->catalogue();
    answer->hotline = std::string(suggest::HotlineOf(suggestion.verdict, catalogue));
    answer->emergency = suggestion.emergency;
    answer->confidence = suggestion.confidence;
    for (const suggest::SuggestedItem& item : suggestion.items) {
      answer->items.push_back({item.item->code(), item.item->title(), item.item->text(),
                               catalogue.LegalBasis(*item.item), item.probability, Words(item.reasons)});
    }
    const catalogue::UnitChoice& choice = suggestion.units;
    if (!choice.lead.empty()) answer->unit_codes.push_back(choice.lead);
    answer->unit_codes.insert(answer->unit_codes.end(), choice.assists.begin(), choice.assists.end());
    // Where a person says which unit leads, those to choose from.
    answer->units_open = choice.lead.empty();
    if (answer->units_open) {
      for (const std::string& unit : choice.proposed) PutOnce(unit, &answer->unit_codes);
    }
    for (const std::string& code : answer->unit_codes) {
      const config::v1::CatalogueUnit* unit = catalogue.FindUnit(code);
      answer->units.push_back(unit == nullptr ? code : unit->display_name());
    }
    answer->words = Words(suggestion.reasons);
    for (const suggest::AppliedExclusion& applied : suggestion.exclusions) {
      answer->exclusions.push_back({applied.item->code(), applied.exclusion->kind(),
                                    applied.exclusion->quote(), applied.word.text,
                                    applied.instead == nullptr ? "" : applied.instead->code(), applied.note});
    }
    answer->question = suggestion.question;
    answer->version = catalogue.version();
    return std::nullopt;
  }

 private:
  static std::vector<Answer::Word> Words(const std::vector<suggest::Reason>& reasons) {
    std::vector<Answer::Word> words;
    for (const suggest::Reason& reason : reasons)
      words.push_back({reason.text, reason.meaning, reason.weight});
    return words;
  }

  const std::shared_ptr<const suggest::Suggester> suggester_;
  const absl::CivilDay day_;
};

class SiteAdviser final : public Adviser {
 public:
  explicit SiteAdviser(Client* client) : client_(client) {}

  std::optional<Failure> Ask(const Question& question, Answer* answer) override {
    dispatch::v1::SuggestRouteRequest request;
    request.set_text(question.text);
    request.set_channel(question.channel);
    request.set_received_by(question.received_by);
    dispatch::v1::SuggestRouteResponse response;
    if (auto failure = client_->Call(&DispatchService::StubInterface::SuggestRoute, request, &response);
        failure) {
      return failure;
    }
    answer->hotline = response.verdict() == dispatch::v1::ROUTE_VERDICT_HOTLINE   ? response.hotline()
                      : response.verdict() == dispatch::v1::ROUTE_VERDICT_NEITHER ? "none"
                                                                                  : "unclear";
    answer->emergency = response.emergency();
    answer->confidence = response.confidence();
    for (const auto& suggestion : response.suggestions()) {
      const auto& advice = suggestion.advice();
      Answer::Item& item = answer->items.emplace_back();
      item = {advice.item().item(), suggestion.item_title(), suggestion.item_text(),
              advice.legal_basis(), advice.confidence(),     {}};
      for (const auto& word : suggestion.words())
        item.words.push_back({word.text(), word.meaning(), word.weight()});
      // Words of the best suggestion stand for the verdict's: the answer has those in one line only.
      if (answer->items.size() > 1) continue;
      answer->words = item.words;
      if (!advice.lead_unit().empty()) answer->unit_codes.push_back(advice.lead_unit());
      for (const std::string& unit : advice.assist_units()) answer->unit_codes.push_back(unit);
      answer->units_open = advice.lead_unit().empty();
      if (answer->units_open) {
        for (const std::string& unit : suggestion.proposed_units()) PutOnce(unit, &answer->unit_codes);
      }
      for (const std::string& code : answer->unit_codes) {
        std::string name;
        if (auto failure = NameOf(response.catalogue_version(), code, &name); failure) return failure;
        answer->units.push_back(std::move(name));
      }
    }
    for (const auto& applied : response.exclusions()) {
      answer->exclusions.push_back({applied.item(), applied.kind(), applied.quote(),
                                    applied.words().empty() ? "" : applied.words(0).text(),
                                    applied.instead_item(), applied.note()});
    }
    answer->question = response.question();
    answer->version = response.catalogue_version();
    return std::nullopt;
  }

 private:
  // Names come from the catalogue that answered, asked for once.
  std::optional<Failure> NameOf(const std::string& version, const std::string& code, std::string* name) {
    if (version_ != version) {
      dispatch::v1::GetCatalogueRequest request;
      request.set_version(version);
      dispatch::v1::GetCatalogueResponse response;
      if (auto failure = client_->Call(&DispatchService::StubInterface::GetCatalogue, request, &response);
          failure) {
        return failure;
      }
      names_.clear();
      for (const auto& unit : response.catalogue().units()) names_[unit.code()] = unit.display_name();
      version_ = version;
    }
    const auto found = names_.find(code);
    *name = found == names_.end() ? code : found->second;
    return std::nullopt;
  }

  Client* client_;
  std::string version_;
  std::map<std::string, std::string> names_;
};

// ---- The files of the model

// Where the catalogue lies; empty if nowhere.
std::string FindDirectory(const Arguments& arguments) {
  if (arguments.Has("catalogue")) return arguments.Text("catalogue");
  if (const char* named = std::getenv("HOTLINE_CATALOGUE"); named != nullptr && *named != '\0') return named;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  std::vector<fs::path> candidates;
  if (!error) {
    // Beside a program that was installed, and above one that was built in a folder of the repository.
    candidates.push_back(program.parent_path().parent_path() / "share/hotline-handoff/catalogue");
    fs::path folder = program.parent_path();
    for (int up = 0; up < 4; ++up, folder = folder.parent_path())
      candidates.push_back(folder / "deploy/catalogue");
  }
  candidates.emplace_back("/etc/hotline-handoff/catalogue");
  for (const fs::path& candidate : candidates) {
    if (fs::is_directory(candidate, error)) return candidate.string();
  }
  return "";
}

struct Material {
  std::shared_ptr<const catalogue::Catalogue> catalogue;
  boot::SuggestFiles files;
};

// Nothing, after saying so, if something is wrong.
std::optional<Material> LoadMaterial(Session& session, int* exit) {
  Console& console = session.console;
  const std::string directory = FindDirectory(session.arguments);
  if (directory.empty()) {
    *exit = session.console.Fail(Misuse(say::kNoCatalogueFound));
    return std::nullopt;
  }
  auto set = boot::LoadCatalogues(directory);
  if (!set.ok()) {
    *exit = absl::IsNotFound(set.status()) ? console.Fail(Misuse(say::kCannotRead, directory + "/*.yaml"))
                                           : console.Fail({.status = set.status()});
    return std::nullopt;
  }
  Material material;
  material.catalogue = (*set)->InForce(catalogue::DayOf(session.now));
  if (material.catalogue == nullptr) {
    *exit = session.console.Fail(Misuse(say::kNoCatalogueFound));
    return std::nullopt;
  }
  auto files = boot::LoadSuggestFiles(directory);
  if (!files.ok()) {
    *exit = console.Fail({.status = files.status()});
    return std::nullopt;
  }
  material.files = *std::move(files);
  return material;
}

std::unique_ptr<Adviser> MakeAdviser(Session& session, int* exit) {
  if (session.arguments.site_named && !session.arguments.Has("catalogue")) {
    return std::make_unique<SiteAdviser>(&session.client);
  }
  auto material = LoadMaterial(session, exit);
  if (!material) return nullptr;
  auto suggester =
      suggest::Suggester::Create(material->catalogue, material->files.terms, material->files.examples);
  if (!suggester.ok()) {
    *exit = session.console.Fail({.status = suggester.status()});
    return nullptr;
  }
  return std::make_unique<OfflineAdviser>(*std::move(suggester), session.now);
}

// ---- Input and output

std::string WordsJson(const std::vector<Answer::Word>& words) {
  std::string list;
  for (const Answer::Word& word : words) {
    list += StrCat(list.empty() ? "" : ",", "{\"text\":", JsonString(word.text),
                   ",\"meaning\":", JsonString(word.meaning), ",\"weight\":", Decimal(word.weight, 3), "}");
  }
  return StrCat("[", list, "]");
}

std::string NamesJson(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += StrCat(list.empty() ? "" : ",", JsonString(name));
  return StrCat("[", list, "]");
}

std::string ExclusionsJson(const std::vector<Answer::Exclusion>& exclusions) {
  std::string list;
  for (const Answer::Exclusion& one : exclusions) {
    list +=
        StrCat(list.empty() ? "" : ",", "{\"item\":", JsonString(one.item),
               ",\"kind\":", JsonString(config::v1::ExclusionKind_Name(one.kind)),
               ",\"quote\":", JsonString(one.quote), ",\"word\":", JsonString(one.word),
               ",\"instead_item\":", JsonString(one.instead_item), ",\"note\":", JsonString(one.note), "}");
  }
  return StrCat("[", list, "]");
}

std::string AnswerJson(const Question& question, const Answer& answer) {
  std::string items, details;
  for (const Answer::Item& item : answer.items) {
    items += StrCat(items.empty() ? "" : ",", JsonString(item.code));
    details +=
        StrCat(details.empty() ? "" : ",", "{\"item\":", JsonString(item.code),
               ",\"title\":", JsonString(item.title), ",\"text\":", JsonString(item.text),
               ",\"legal_basis\":", JsonString(item.legal_basis),
               ",\"probability\":", Decimal(item.probability, 4), ",\"words\":", WordsJson(item.words), "}");
  }
  return StrCat(
      "{\"id\":", question.id_json.empty() ? "null" : question.id_json,
      ",\"hotline\":", JsonString(answer.hotline), ",\"emergency\":", answer.emergency ? "true" : "false",
      ",\"items\":[", items, "],\"units\":", NamesJson(answer.units),
      ",\"confidence\":", Decimal(answer.confidence, 4), ",\"why\":{\"words\":", WordsJson(answer.words),
      ",\"items\":[", details, "],\"exclusions\":", ExclusionsJson(answer.exclusions),
      "},\"question\":", JsonString(answer.question), ",\"unit_codes\":", NamesJson(answer.unit_codes),
      ",\"units_open\":", answer.units_open ? "true" : "false", ",\"catalogue\":", JsonString(answer.version),
      "}");
}

std::string Joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) text += StrCat(text.empty() ? "" : separator, part);
  return text;
}

std::string WordsText(const std::vector<Answer::Word>& words) {
  std::vector<std::string> parts;
  for (const Answer::Word& word : words) {
    parts.push_back(StrCat("“", Printable(word.text, false), "” → ", word.meaning, " (",
                           Decimal(100 * word.weight, 0 + 1), "%)"));
  }
  return Joined(parts, "; ");
}

void Print(Session& session, const Answer& answer) {
  Console& console = session.console;
  const Language language = console.language();
  const auto line = [&](const Phrase& label, std::string_view value, Colour colour = Colour::kNone) {
    if (value.empty()) return;
    console.OutLine(StrCat(Say(language, label), ": ", Paint(value, colour, console.style().colour)));
  };
  if (answer.emergency) {
    console.OutLine(Paint(Say(language, say::kSuggestDanger), Colour::kRed, console.style().colour));
  }
  const std::string verdict = answer.hotline == "unclear" ? std::string(Say(language, say::kVerdictUnclear))
                              : answer.hotline == "none"  ? std::string(Say(language, say::kVerdictNone))
                                                          : answer.hotline;
  line(say::kLabelVerdict, verdict, Colour::kBold);
  line(say::kLabelConfidence, StrCat(Decimal(100 * answer.confidence, 1), "%"));
  line(say::kLabelWhy, WordsText(answer.words));
  for (const Answer::Exclusion& one : answer.exclusions) line(say::kLabelClause, one.note, Colour::kYellow);
  // With the codes, which other commands take.
  std::vector<std::string> units;
  for (size_t i = 0; i < answer.units.size(); ++i) {
    const std::string& code = answer.unit_codes[i];
    units.push_back(answer.units[i] == code ? code : Say(language, say::kUnitAndCode, answer.units[i], code));
  }
  line(say::kColUnitNames, Joined(units, language == Language::kChinese ? "、" : ", "));
  line(say::kLabelAsk, answer.question, Colour::kYellow);
  if (!answer.items.empty()) {
    Table table({{.heading = std::string(Say(language, say::kColCatalogueItem))},
                 {.heading = std::string(Say(language, say::kColProbability)), .right_aligned = true},
                 {.heading = std::string(Say(language, say::kColItemTitle))},
                 {.heading = std::string(Say(language, say::kLabelWhy)), .shrinks = true}});
    for (const Answer::Item& item : answer.items) {
      table.AddRow({Cell(item.code), Cell(StrCat(Decimal(100 * item.probability, 1), "%")), Cell(item.title),
                    Cell(WordsText(item.words))});
    }
    console.Out(table.Render(console.style()));
    line(say::kLabelText, answer.items.front().text);
    line(say::kLabelBasis, answer.items.front().legal_basis);
  }
  console.ErrLine(Say(language, say::kSuggestAdvises), Colour::kDim);
}

type::v1::Channel ChannelOf(std::string_view word) {
  const auto number = ParseEnumWord(*type::v1::Channel_descriptor(), std::string(word));
  return static_cast<type::v1::Channel>(number.value_or(0));
}

// Why a text cannot be asked about, or null.
const Phrase* FaultOf(const std::string& text) {
  if (!CountCodePoints(text)) return &say::kSuggestNoUtf8;
  return text.size() > suggest::kMaxTextBytes ? &say::kSuggestTooLong : nullptr;
}

// Reads a line. The reason why it cannot be answered, or null.
const Phrase* ReadQuestion(const std::string& line, Question* question) {
  if (!CountCodePoints(line)) return &say::kSuggestNoUtf8;
  google::protobuf::Struct object;
  if (!google::protobuf::util::JsonStringToMessage(line, &object).ok()) return &say::kSuggestNoJson;
  const auto text_of = [&](const char* name) {
    const auto found = object.fields().find(name);
    return found == object.fields().end() ? std::string() : found->second.string_value();
  };
  const auto id = object.fields().find("id");
  if (id != object.fields().end() && id->second.has_string_value()) {
    question->id_json = JsonString(id->second.string_value());
  } else if (id != object.fields().end() && id->second.has_number_value()) {
    const double number = id->second.number_value();
    question->id_json = number == std::floor(number) && std::abs(number) < 9e15
                            ? StrCat(static_cast<int64_t>(number))
                            : std::to_string(number);
  } else {
    return &say::kSuggestNoId;
  }
  const auto text = object.fields().find("text");
  if (text == object.fields().end() || !text->second.has_string_value()) return &say::kSuggestNoText;
  question->text = text->second.string_value();
  if (const Phrase* bad = FaultOf(question->text); bad != nullptr) return bad;
  question->received_by = text_of("received_by");
  question->channel = ChannelOf(text_of("channel"));
  return nullptr;
}

// Lines are answered as they come. What is bad gets a line of its own in its place, and the exit code says
// so.
int AnswerFile(Session& session, Adviser& adviser, const std::string& path) {
  Console& console = session.console;
  const Language language = console.language();
  std::ifstream file(path == "-" ? "/dev/stdin" : path, std::ios::binary);
  if (!file.is_open()) return session.console.Fail(Misuse(say::kCannotRead, path));
  int exit = kExitOk;
  int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (number == 1 && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Question question;
    if (const Phrase* bad = ReadQuestion(line, &question); bad != nullptr) {
      const std::string message = Say(language, say::kBadSuggestLine, number, Say(language, *bad));
      if (console.json()) {
        console.OutLine(StrCat("{\"id\":", question.id_json.empty() ? "null" : question.id_json,
                               ",\"line\":", number, ",\"error\":", JsonString(bad->en),
                               ",\"error_zh\":", JsonString(bad->zh), "}"));
      }
      console.ErrLine(message, Colour::kRed);
      exit = kExitInvalid;
      continue;
    }
    Answer answer;
    if (auto failure = adviser.Ask(question, &answer); failure) return console.Fail(*failure);
    if (console.json()) {
      console.OutLine(AnswerJson(question, answer));
    } else {
      std::string codes;
      for (const Answer::Item& item : answer.items) codes += StrCat(codes.empty() ? "" : " ", item.code);
      console.OutLine(StrCat(question.id_json, "\t", answer.hotline, answer.emergency ? " !" : "", "\t",
                             codes, "\t", Joined(answer.units, "、"), "\t", Decimal(answer.confidence, 2)));
    }
  }
  if (file.bad()) return session.console.Fail(Misuse(say::kCannotRead, path));
  return exit;
}

// ---- Learning from outcomes

// A handoff that was accepted shows where a matter belongs; one that was returned, that a person should say.
std::string ExampleOf(const type::v1::WorkOrder& order, const type::v1::Handoff& handoff) {
  config::v1::SuggestExample example;
  example.set_id(order.number());
  const type::v1::Caller& caller = order.content().caller();
  const std::string known[] = {caller.name(), caller.phone(), caller.contact_phone()};
  example.set_text(suggest::MaskPersonal(order.content().text(), known));
  example.set_channel(EnumLabel(Language::kEnglish, order.content().channel()));
  example.set_received_by(handoff.from_hotline());
  example.set_emergency(order.content().urgency() == type::v1::URGENCY_EMERGENCY);
  example.set_batch("outcomes");
  if (!handoff.has_returned() && handoff.has_accept_time()) {
    example.set_hotline(handoff.to_hotline());
    if (!order.content().catalogue().item().empty()) example.add_items(order.content().catalogue().item());
    if (order.units_size() > 0) example.add_units(order.units(0).unit());
  }
  return suggest::WriteExample(example);
}

int ExportExamples(Session& session) {
  Console& console = session.console;
  const std::string& path = session.arguments.Text("out");
  workorder::v1::ListWorkOrdersRequest request;
  std::string lines;
  int count = 0;
  while (true) {
    request.set_page_size(200);
    workorder::v1::ListWorkOrdersResponse response;
    if (auto failure =
            session.client.Call(&WorkOrderService::StubInterface::ListWorkOrders, request, &response);
        failure) {
      return console.Fail(*failure);
    }
    for (const type::v1::WorkOrder& listed : response.orders()) {
      const type::v1::Handoff& handoff = listed.handoff();
      if (!handoff.has_accept_time() && !handoff.has_returned()) continue;
      // Lists leave the content out.
      workorder::v1::GetWorkOrderRequest get;
      get.set_order_id(listed.id());
      workorder::v1::GetWorkOrderResponse got;
      if (auto failure = session.client.Call(&WorkOrderService::StubInterface::GetWorkOrder, get, &got);
          failure) {
        return console.Fail(*failure);
      }
      // Who asked for secrecy is not written anywhere else, and what was erased stays erased.
      if (got.order().content().caller().secret() || got.order().content().text().empty()) continue;
      lines += ExampleOf(got.order(), got.order().handoff());
      ++count;
    }
    if (response.next_page_token().empty()) break;
    request.set_page_token(response.next_page_token());
  }
  if (!WritePrivate(path, lines, IfExists::kRefuse)) {
    return session.console.Fail(Misuse(errno == EEXIST ? say::kFileExists : say::kCannotWrite, path));
  }
  if (console.json()) {
    console.OutLine(
        StrCat("{\"file\":", JsonString(path), ",\"examples\":", count, ",\"personal_data\":true}"));
  }
  console.ErrLine(Say(console.language(), say::kExamplesWritten, path, count), Colour::kYellow);
  return kExitOk;
}

// ---- Measuring

int EvaluateModel(Session& session) {
  Console& console = session.console;
  int exit = kExitOk;
  auto material = LoadMaterial(session, &exit);
  if (!material) return exit;
  suggest::Scores scores;
  if (const std::string& path = session.arguments.Text("file"); !path.empty()) {
    std::string text;
    if (auto failure = ReadInput(path, kMaxListBytes, &text); failure) return console.Fail(*failure);
    auto examples = suggest::ParseExamples(text, path);
    if (!examples.ok()) return console.Fail({.status = examples.status()});
    // Measured against no label, every answer would be wrong.
    const size_t unlabelled =
        std::erase_if(*examples, [](const auto& example) { return example.hotline().empty(); });
    if (examples->empty()) {
      return console.Fail({.status = error::BadField(type::v1::ERROR_REASON_FIELD_REQUIRED, "hotline",
                                                     say::kNoLabels.en, say::kNoLabels.zh)});
    }
    if (unlabelled > 0) {
      console.ErrLine(Say(console.language(), say::kUnlabelledLeftOut, unlabelled), Colour::kYellow);
    }
    auto suggester =
        suggest::Suggester::Create(material->catalogue, material->files.terms, material->files.examples);
    if (!suggester.ok()) return console.Fail({.status = suggester.status()});
    scores = suggest::Evaluate(**suggester, *examples);
  } else {
    const int64_t parts = session.arguments.Integer("cross", 5);
    auto crossed =
        suggest::CrossValidate(material->catalogue, material->files.terms, material->files.examples,
                               static_cast<int>(std::clamp<int64_t>(parts, 2, 20)), 1);
    if (!crossed.ok()) return console.Fail({.status = crossed.status()});
    scores = *crossed;
  }
  if (console.json()) {
    std::string confusion;
    for (const auto& [label, row] : scores.confusion) {
      std::string cells;
      for (const auto& [answer, count] : row)
        cells += StrCat(cells.empty() ? "" : ",", JsonString(answer), ":", count);
      confusion += StrCat(confusion.empty() ? "" : ",", JsonString(label), ":{", cells, "}");
    }
    console.OutLine(StrCat("{\"examples\":", scores.examples, ",\"hotline_right\":", scores.hotline_right,
                           ",\"items\":", scores.items, ",\"item_first\":", scores.item_first,
                           ",\"item_in_three\":", scores.item_in_three, ",\"unclear\":", scores.unclear,
                           ",\"unclear_right\":", scores.unclear_right, ",\"emergencies\":",
                           scores.emergencies, ",\"emergencies_missed\":", scores.emergencies_missed,
                           ",\"calm\":", scores.calm, ",\"false_alarms\":", scores.false_alarms,
                           ",\"calibration_error\":", Decimal(scores.CalibrationError(), 4),
                           ",\"confusion\":{", confusion, "}}"));
    return kExitOk;
  }
  console.OutLine(Say(
      console.language(), say::kEvaluated, scores.examples, Percent(scores.hotline_right, scores.examples),
      Percent(scores.item_first, scores.items), Percent(scores.item_in_three, scores.items),
      Percent(scores.unclear_right, scores.unclear), scores.emergencies_missed, scores.emergencies,
      Percent(scores.false_alarms, scores.calm), Decimal(scores.CalibrationError(), 3)));
  return kExitOk;
}

}  // namespace

int SuggestCommand(Session& session) {
  const Arguments& arguments = session.arguments;
  if (arguments.action == "examples") return ExportExamples(session);
  if (arguments.action == "evaluate") return EvaluateModel(session);
  int exit = kExitOk;
  const std::unique_ptr<Adviser> adviser = MakeAdviser(session, &exit);
  if (adviser == nullptr) return exit;
  if (const std::string& path = arguments.Text("file"); !path.empty())
    return AnswerFile(session, *adviser, path);
  Question question;
  question.text = arguments.operand;
  if (const Phrase* bad = FaultOf(question.text); bad != nullptr) {
    return session.console.Fail(Misuse(say::kBadSuggestText, *bad));
  }
  question.received_by = arguments.Text("received-by");
  question.channel = arguments.Word<type::v1::Channel>("channel");
  Answer answer;
  if (auto failure = adviser->Ask(question, &answer); failure) return session.console.Fail(*failure);
  if (session.console.json()) {
    session.console.OutLine(AnswerJson(question, answer));
  } else {
    Print(session, answer);
  }
  return kExitOk;
}

}  // namespace hotline::hotlinectl
