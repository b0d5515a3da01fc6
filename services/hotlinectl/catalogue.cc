// catalogue: the annex as the site has it, or as a file says it.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/text.h"
#include "common/boot/catalogue_file.h"
#include "common/boot/config.h"
#include "common/boot/yaml_text.h"
#include "common/catalogue/review.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/input.h"
#include "services/hotlinectl/core/liaisons.h"
#include "services/hotlinectl/core/render.h"
#include "services/hotlinectl/core/text_catalogue.h"

namespace hotline::hotlinectl {
namespace {

using catalogue::Catalogue;
using config::v1::CatalogueItem;
using Loaded = std::shared_ptr<const Catalogue>;

// As long as dispatch lets it take: the model is trained first, for 13 s of a core that others may want too.
constexpr absl::Duration kReloadTimeout = absl::Minutes(3);

// A version that the site has loaded. Nothing, after saying so, if it has not.
Loaded FromSite(Session& session, const std::string& version, int* exit) {
  dispatch::v1::GetCatalogueRequest request;
  request.set_version(version);
  dispatch::v1::GetCatalogueResponse response;
  if (auto failure = session.client.Call(&DispatchService::StubInterface::GetCatalogue, request, &response);
      failure) {
    *exit = session.console.Fail(*failure);
    return nullptr;
  }
  auto made = Catalogue::Create(std::move(*response.mutable_catalogue()));
  if (!made.ok()) {
    *exit = session.console.Fail({.status = made.status()});
    return nullptr;
  }
  return *made;
}

Loaded FromFile(Session& session, const std::string& path, int* exit) {
  auto made = boot::LoadCatalogue(path);
  if (made.ok()) return *made;
  *exit = absl::IsNotFound(made.status()) ? session.console.Fail(Misuse(say::kCannotRead, path))
                                          : session.console.Fail({.status = made.status()});
  return nullptr;
}

Loaded Chosen(Session& session, int* exit) {
  const std::string& file = session.arguments.Text("file");
  return file.empty() ? FromSite(session, session.arguments.Text("version"), exit)
                      : FromFile(session, file, exit);
}

// One of the two of `diff`: a file if it looks like one.
Loaded Named(Session& session, const std::string& name, int* exit) {
  const bool file = name.find('/') != std::string::npos || name.ends_with(".yaml");
  return file ? FromFile(session, name, exit) : FromSite(session, name, exit);
}

int Check(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  int exit = kExitOk;
  const Loaded loaded = Chosen(session, &exit);
  if (loaded == nullptr) return exit;
  catalogue::ReviewOptions options;
  if (const std::string& path = session.arguments.Text("units"); !path.empty()) {
    if (absl::Status status = boot::LoadYaml(path, &options.units.emplace()); !status.ok()) {
      return absl::IsNotFound(status) ? console.Fail(Misuse(say::kCannotRead, path))
                                      : session.console.FailUsage(std::string(status.message()));
    }
  }
  if (const std::string& path = session.arguments.Text("directory"); !path.empty()) {
    std::string text;
    if (auto failure = ReadInput(path, kMaxListBytes, &text); failure) return console.Fail(*failure);
    options.liaisons = ReadLiaisons(text, session.now);
    if (!options.liaisons) return session.console.Fail(Misuse(say::kBadDirectoryCsv, path));
  }
  const std::vector<catalogue::Problem> problems = catalogue::Review(*loaded, options);
  if (console.json()) {
    std::string list;
    for (const catalogue::Problem& problem : problems) {
      list += StrCat(list.empty() ? "" : ",", "{\"path\":", JsonString(problem.path),
                     ",\"finding\":", JsonString(problem.english),
                     ",\"findingZh\":", JsonString(problem.chinese), "}");
    }
    console.OutLine(StrCat("{\"version\":", JsonString(loaded->version()),
                           ",\"items\":", loaded->message().items_size(), ",\"findings\":[", list, "]}"));
    return problems.empty() ? kExitOk : kExitInvalid;
  }
  if (problems.empty()) {
    console.OutLine(Say(language, say::kCatalogueGood, loaded->version(), loaded->message().items_size()));
    return kExitOk;
  }
  Table table({{.heading = std::string(Say(language, say::kColWhere))},
               {.heading = std::string(Say(language, say::kColFinding))}});
  for (const catalogue::Problem& problem : problems) {
    table.AddRow(
        {Cell(problem.path), Cell(language == Language::kChinese ? problem.chinese : problem.english)});
  }
  console.Out(table.Render(console.style()));
  console.ErrLine(Say(language, say::kCatalogueFindings, loaded->version(), problems.size()),
                  Colour::kYellow);
  return kExitInvalid;
}

std::string UnitsOf(Language language, const Catalogue& catalogue, const CatalogueItem& item) {
  std::string names;
  for (const config::v1::ItemUnit& unit : item.units()) {
    const config::v1::CatalogueUnit* known = catalogue.FindUnit(unit.unit());
    const std::string name = unit.township() ? std::string(Say(language, say::kTownshipUnit))
                             : known == nullptr
                                 ? unit.unit()
                                 : Say(language, say::kUnitAndCode, known->display_name(), unit.unit());
    const bool role = unit.role() != config::v1::UNIT_ROLE_UNSPECIFIED;
    names += StrCat(names.empty()                    ? ""
                    : language == Language::kChinese ? "、"
                                                     : ", ",
                    name, role ? StrCat(" (", EnumLabel(language, unit.role()), ")") : "");
  }
  return names;
}

template <typename List>
std::string Joined(Language language, const List& list) {
  std::string text;
  for (const std::string& word : list)
    text += StrCat(text.empty() ? "" : language == Language::kChinese ? "、" : ", ", word);
  return text;
}

int ShowItem(Session& session, const Catalogue& catalogue, const CatalogueItem& item) {
  Console& console = session.console;
  const Language language = console.language();
  if (console.json()) {
    console.OutLine(ToJson(item));
    return kExitOk;
  }
  std::string exclusions;
  for (const config::v1::Exclusion& exclusion : item.exclusions()) {
    const std::string instead = exclusion.instead_item().empty()
                                    ? std::string(Say(language, say::kNotAccepted))
                                    : exclusion.instead_item();
    exclusions += StrCat(exclusions.empty() ? "" : "; ", EnumLabel(language, exclusion.kind()), ": ",
                         Joined(language, exclusion.words()), " → ", instead);
  }
  const std::pair<const Phrase&, std::string> lines[] = {
      {say::kColCatalogueItem, item.code()},
      {say::kColItemTitle, item.title()},
      {say::kLabelText, item.text()},
      {say::kLabelUnitsText, item.units_text()},
      {say::kColTo, item.to_hotline()},
      {say::kColUnitRule, EnumLabel(language, item.unit_rule())},
      {say::kColUnitNames, UnitsOf(language, catalogue, item)},
      {say::kColUrgency, EnumLabel(language, item.urgency())},
      {say::kLabelBasis, catalogue.LegalBasis(item)},
      {say::kLabelQuestion, item.question()},
      {say::kLabelExclusions, exclusions},
      {say::kLabelPhrases, Joined(language, item.phrases())},
  };
  for (const auto& [label, value] : lines) {
    if (!value.empty()) console.OutLine(StrCat(Say(language, label), ": ", Printable(value, false)));
  }
  return kExitOk;
}

int Show(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  int exit = kExitOk;
  const Loaded loaded = Chosen(session, &exit);
  if (loaded == nullptr) return exit;
  if (const std::string& code = session.arguments.operand; !code.empty()) {
    const CatalogueItem* item = loaded->FindItem(code);
    if (item != nullptr) return ShowItem(session, *loaded, *item);
    return session.console.Fail(Misuse(say::kNoSuchItem, Printable(code, false), loaded->version()));
  }
  if (console.json()) {
    console.OutLine(ToJson(loaded->message()));
    return kExitOk;
  }
  console.OutLine(Say(language, say::kCatalogueHead, loaded->version(), loaded->message().document(),
                      loaded->message().first_date()));
  Table table({{.heading = std::string(Say(language, say::kColCatalogueItem))},
               {.heading = std::string(Say(language, say::kColTo))},
               {.heading = std::string(Say(language, say::kColItemTitle))},
               {.heading = std::string(Say(language, say::kColUrgency))},
               {.heading = std::string(Say(language, say::kColUnitRule))},
               {.heading = std::string(Say(language, say::kColUnitNames)), .shrinks = true}});
  for (const CatalogueItem& item : loaded->message().items()) {
    table.AddRow({Cell(item.code()), Cell(item.to_hotline()), Cell(item.title()),
                  Cell(EnumLabel(language, item.urgency())), Cell(EnumLabel(language, item.unit_rule())),
                  Cell(UnitsOf(language, *loaded, item))});
  }
  console.Out(table.Render(console.style()));
  return kExitOk;
}

int Diff(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  int exit = kExitOk;
  const Loaded before = Named(session, session.arguments.operand, &exit);
  if (before == nullptr) return exit;
  const Loaded after = Named(session, session.arguments.peer, &exit);
  if (after == nullptr) return exit;
  const std::vector<catalogue::Change> changes = catalogue::Diff(before->message(), after->message());
  Table table({{.heading = ""},
               {.heading = std::string(Say(language, say::kColEntry))},
               {.heading = std::string(Say(language, say::kColField))},
               {.heading = std::string(Say(language, say::kColBefore)), .shrinks = true},
               {.heading = std::string(Say(language, say::kColAfter)), .shrinks = true}});
  for (const catalogue::Change& change : changes) {
    const bool added = change.difference == catalogue::Difference::kAdded;
    const bool removed = change.difference == catalogue::Difference::kRemoved;
    if (console.json()) {
      console.OutLine(
          StrCat("{\"change\":\"",
                 added     ? "added"
                 : removed ? "removed"
                           : "changed",
                 "\",\"entry\":", JsonString(change.entry), ",\"field\":", JsonString(change.field),
                 ",\"before\":", JsonString(change.before), ",\"after\":", JsonString(change.after), "}"));
      continue;
    }
    table.AddRow({Cell(added     ? "+"
                       : removed ? "-"
                                 : "~",
                       added     ? Colour::kGreen
                       : removed ? Colour::kRed
                                 : Colour::kYellow),
                  Cell(change.entry), Cell(change.field), Cell(change.before), Cell(change.after)});
  }
  if (console.json()) return kExitOk;
  if (changes.empty()) {
    console.ErrLine(Say(language, say::kSameVersions));
  } else {
    console.Out(table.Render(console.style()));
  }
  return kExitOk;
}

int Export(Session& session) {
  Console& console = session.console;
  int exit = kExitOk;
  const Loaded loaded = Chosen(session, &exit);
  if (loaded == nullptr) return exit;
  const std::string text =
      console.json() ? ToJson(loaded->message()) + "\n" : boot::ToYaml(loaded->message());
  const std::string& path = session.arguments.Text("out");
  if (path.empty()) {
    console.Out(text);
    return kExitOk;
  }
  if (std::ifstream(path).is_open()) return session.console.Fail(Misuse(say::kFileExists, path));
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return file ? kExitOk : session.console.Fail(Misuse(say::kCannotWrite, path));
}

int Reload(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  dispatch::v1::ReloadCatalogueResponse response;
  if (auto failure = session.client.Call(&DispatchService::StubInterface::ReloadCatalogue,
                                         dispatch::v1::ReloadCatalogueRequest(), &response, kReloadTimeout);
      failure) {
    // It goes on without whoever asked for it.
    if (absl::IsDeadlineExceeded(failure->status)) failure->advice = &say::kDoSeeCatalogue;
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
    return kExitOk;
  }
  std::string in_force(Say(language, say::kNoneInForce));
  for (const dispatch::v1::CatalogueVersion& version : response.versions()) {
    if (version.in_force()) in_force = version.version();
    console.OutLine(StrCat(
        Say(language, say::kCatalogueHead, version.version(), version.display_name(), version.first_date()),
        version.in_force() ? StrCat("  ", Say(language, say::kVersionInForce)) : ""));
  }
  console.ErrLine(Say(language, say::kCatalogueReloaded, in_force));
  return kExitOk;
}

}  // namespace

int CatalogueCommand(Session& session) {
  const std::string& action = session.arguments.action;
  if (action == "check") return Check(session);
  if (action == "show") return Show(session);
  if (action == "diff") return Diff(session);
  return action == "export" ? Export(session) : Reload(session);
}

}  // namespace hotline::hotlinectl
