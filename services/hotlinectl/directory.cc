// directory: who answers for what at each unit, and whether somebody can be told of every rung.
#include <cstdio>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "common/base/id.h"
#include "common/base/text.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/input.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/output.h"
#include "services/hotlinectl/core/render.h"
#include "services/hotlinectl/core/text_people.h"

namespace hotline::hotlinectl {
namespace {

using namespace escalation::v1;  // NOLINT(google-build-using-namespace): the directory's messages
using Directory = DirectoryService::StubInterface;

int FailNotFound(Session& session, std::string message) {
  return session.console.Fail({.status = absl::NotFoundError(message)});
}

std::string ContactsText(const Person& person) {
  std::string text;
  for (const Contact& contact : person.contacts()) {
    text += StrCat(text.empty() ? "" : "; ", contact.webhook().empty() ? "desktop" : contact.webhook(), "=",
                   contact.target());
  }
  return text;
}

// Kind, unit, person and what else there is to say of an entry.
std::vector<Cell> EntryCells(Language language, const DirectoryEntry& entry) {
  std::string kind;
  std::string unit;
  std::string person;
  std::string what;
  switch (entry.entry_case()) {
    case DirectoryEntry::kUnit: {
      const DirectoryUnit& one = entry.unit();
      kind = Say(language, say::kWordUnit);
      unit = one.code();
      what = one.display_name();
      for (const std::string& alias : one.aliases()) what += StrCat(" / ", alias);
      if (!one.parent().empty()) what += StrCat(" ↑", one.parent());
      if (!one.calendar().empty()) what += StrCat(" [", one.calendar(), "]");
      break;
    }
    case DirectoryEntry::kPerson:
      kind = Say(language, say::kWordPerson);
      unit = entry.person().unit();
      person = entry.person().id();
      what = StrCat(entry.person().display_name(), entry.person().title().empty() ? "" : " ",
                    entry.person().title(), entry.person().contacts().empty() ? "" : " · ",
                    ContactsText(entry.person()));
      break;
    case DirectoryEntry::kRole:
      kind = EnumLabel(language, entry.role().role());
      unit = entry.role().unit();
      person = entry.role().person();
      break;
    case DirectoryEntry::kDuty:
      kind = Say(language, say::kWordDuty);
      unit = entry.duty().unit();
      person = entry.duty().person();
      break;
    case DirectoryEntry::ENTRY_NOT_SET:
      break;
  }
  return {kind, unit, person, what};
}

const Validity& ValidityOf(const DirectoryEntry& entry) {
  switch (entry.entry_case()) {
    case DirectoryEntry::kUnit:
      return entry.unit().validity();
    case DirectoryEntry::kPerson:
      return entry.person().validity();
    case DirectoryEntry::kDuty:
      return entry.duty().validity();
    default:
      return entry.role().validity();
  }
}

std::string EndText(bool set, const google::protobuf::Timestamp& time) { return set ? TimeText(time) : "…"; }

std::string PeriodText(const Validity& validity) {
  return StrCat(EndText(validity.has_from_time(), validity.from_time()), " – ",
                EndText(validity.has_until_time(), validity.until_time()));
}

Table EntryTable(Language language) {
  return Table({{.heading = std::string(Say(language, say::kHeadKind))},
                {.heading = std::string(Say(language, say::kHeadUnitName))},
                {.heading = std::string(Say(language, say::kHeadPerson))},
                {.heading = std::string(Say(language, say::kHeadWhat)), .shrinks = true},
                {.heading = std::string(Say(language, say::kHeadFrom))},
                {.heading = std::string(Say(language, say::kHeadUntil))}});
}

void AddEntry(Language language, const DirectoryEntry& entry, Table& table) {
  std::vector<Cell> cells = EntryCells(language, entry);
  const Validity& validity = ValidityOf(entry);
  cells.emplace_back(EndText(validity.has_from_time(), validity.from_time()));
  cells.emplace_back(EndText(validity.has_until_time(), validity.until_time()));
  table.AddRow(std::move(cells));
}

int List(Session& session) {
  Console& console = session.console;
  ListDirectoryRequest request;
  request.set_unit(session.arguments.operand);
  request.set_page_size(kMaxPage);
  if (const auto at = session.arguments.Time("at", session.now))
    *request.mutable_at_time() = ToTimestamp(*at);
  Table table = EntryTable(console.language());
  do {
    ListDirectoryResponse response;
    if (auto failure = session.client.Call(&Directory::ListDirectory, request, &response); failure) {
      return console.Fail(*failure);
    }
    for (const DirectoryEntry& entry : response.entries()) {
      if (console.json()) {
        console.OutLine(ToJson(entry));
      } else {
        AddEntry(console.language(), entry, table);
      }
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  if (console.json()) return kExitOk;
  if (table.empty()) {
    console.ErrLine(Say(console.language(), say::kNothing));
  } else {
    console.Out(table.Render(console.style()));
  }
  return kExitOk;
}

DirectoryChangeHeader MakeDirectoryHeader(const Session& session) {
  const Arguments& arguments = session.arguments;
  DirectoryChangeHeader header;
  header.set_request_id(arguments.Has("request-id") ? arguments.Text("request-id")
                                                    : NewRequestId(session.now));
  header.set_expected_version(arguments.Integer("version", 0));
  header.set_account(arguments.account);
  header.set_reported_by(arguments.Text("reported-by"));
  header.set_reference(arguments.Text("reference"));
  if (const auto at = arguments.Time("reported-at", session.now))
    *header.mutable_report_time() = ToTimestamp(*at);
  return header;
}

// The period that the flags give; a new role begins now.
Validity MakeValidity(const Session& session, bool from_now) {
  const auto whole = [](absl::Time time) {
    return ToTimestamp(absl::FromUnixSeconds(absl::ToUnixSeconds(time)));
  };
  Validity validity;
  if (const auto from = session.arguments.Time("from", session.now)) {
    *validity.mutable_from_time() = whole(*from);
  } else if (from_now) {
    *validity.mutable_from_time() = whole(session.now);
  }
  if (const auto until = session.arguments.Time("until", session.now))
    *validity.mutable_until_time() = whole(*until);
  return validity;
}

// The entries of `unit` that `wanted` accepts, as they stand.
template <typename Wanted>
std::optional<Failure> FindEntries(Session& session, const std::string& unit, Wanted wanted,
                                   std::vector<DirectoryEntry>* found) {
  ListDirectoryRequest request;
  request.set_unit(unit);
  request.set_page_size(kMaxPage);
  do {
    ListDirectoryResponse response;
    if (auto failure = session.client.Call(&Directory::ListDirectory, request, &response); failure)
      return failure;
    for (const DirectoryEntry& entry : response.entries()) {
      if (wanted(entry)) found->push_back(entry);
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return std::nullopt;
}

// Of what has one entry at most; nothing if there is none.
template <typename Wanted>
std::optional<Failure> FindEntry(Session& session, const std::string& unit, Wanted wanted,
                                 DirectoryEntry* found) {
  std::vector<DirectoryEntry> entries;
  if (auto failure = FindEntries(session, unit, wanted, &entries); failure) return failure;
  if (!entries.empty()) *found = std::move(entries.front());
  return std::nullopt;
}

// The role of `entry`, when it is held once only: which of several is meant, nobody said.
std::optional<Failure> FindOnlyRole(Session& session, DirectoryEntry* entry) {
  const RoleAssignment role = entry->role();
  std::vector<DirectoryEntry> terms;
  if (auto failure = FindEntries(
          session, role.unit(),
          [&](const DirectoryEntry& one) {
            return one.has_role() && one.role().role() == role.role() && one.role().person() == role.person();
          },
          &terms);
      failure) {
    return failure;
  }
  if (terms.size() > 1) {
    std::string periods;
    for (const DirectoryEntry& term : terms) {
      periods += StrCat(periods.empty() ? "" : ", ", PeriodText(term.role().validity()));
    }
    return Misuse(say::kWhichTerm, terms.size(), periods);
  }
  if (!terms.empty()) *entry = std::move(terms.front());
  return std::nullopt;
}

// What the flags speak of, merged into what is there.
std::optional<Failure> MakeEntry(Session& session, bool remove, DirectoryEntry* entry) {
  const Arguments& arguments = session.arguments;
  const std::string& unit = arguments.Text("unit");
  const std::string& id = arguments.Text("person");
  if (arguments.Has("role")) {
    RoleAssignment& role = *entry->mutable_role();
    role.set_unit(unit);
    role.set_role(arguments.Word<StaffRole>("role"));
    role.set_person(id);
    if (remove && !arguments.Has("from")) return FindOnlyRole(session, entry);
    *role.mutable_validity() = MakeValidity(session, /*from_now=*/!remove);
    return std::nullopt;
  }
  if (arguments.Has("duty")) {
    DutyShift& duty = *entry->mutable_duty();
    duty.set_unit(unit);
    duty.set_person(id);
    *duty.mutable_validity() = MakeValidity(session, false);
    return std::nullopt;
  }
  if (!id.empty()) {
    if (auto failure = FindEntry(
            session, "",
            [&](const DirectoryEntry& one) { return one.has_person() && one.person().id() == id; }, entry);
        failure) {
      return failure;
    }
    Person& person = *entry->mutable_person();
    person.set_id(id);
    if (remove) return std::nullopt;
    if (!unit.empty()) person.set_unit(unit);
    if (arguments.Has("name")) person.set_display_name(arguments.Text("name"));
    if (arguments.Has("title")) person.set_title(arguments.Text("title"));
    std::vector<Contact> contacts;
    for (const Contact& contact : person.contacts()) {
      const bool desktop = contact.channel() == CONTACT_CHANNEL_DESKTOP;
      if (!arguments.Has(desktop ? "desktop" : "webhook")) contacts.push_back(contact);
    }
    for (const std::string& account : arguments.All("desktop")) {
      Contact& contact = contacts.emplace_back();
      contact.set_channel(CONTACT_CHANNEL_DESKTOP);
      contact.set_target(account);
    }
    for (const std::string& webhook : arguments.All("webhook")) {
      const size_t equals = webhook.find('=');
      Contact& contact = contacts.emplace_back();
      contact.set_channel(CONTACT_CHANNEL_WEBHOOK);
      contact.set_webhook(webhook.substr(0, equals));
      contact.set_target(webhook.substr(equals + 1));
    }
    person.mutable_contacts()->Assign(contacts.begin(), contacts.end());
    if (arguments.Has("from") || arguments.Has("until"))
      *person.mutable_validity() = MakeValidity(session, false);
    return std::nullopt;
  }
  if (auto failure = FindEntry(
          session, "",
          [&](const DirectoryEntry& one) {
            return one.has_unit() && (one.unit().code() == unit || one.unit().display_name() == unit);
          },
          entry);
      failure) {
    return failure;
  }
  DirectoryUnit& one = *entry->mutable_unit();
  if (one.code().empty()) one.set_code(unit);
  if (remove) return std::nullopt;
  if (arguments.Has("name")) one.set_display_name(arguments.Text("name"));
  if (arguments.Has("alias")) {
    const std::vector<std::string>& aliases = arguments.All("alias");
    one.mutable_aliases()->Assign(aliases.begin(), aliases.end());
  }
  if (arguments.Has("parent")) one.set_parent(arguments.Text("parent"));
  if (arguments.Has("calendar")) one.set_calendar(arguments.Text("calendar"));
  if (arguments.Has("from") || arguments.Has("until")) *one.mutable_validity() = MakeValidity(session, false);
  return std::nullopt;
}

int Edit(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  const bool remove = arguments.action == "remove";
  if (arguments.Text("unit").empty() && arguments.Text("person").empty()) {
    return session.console.Fail(Misuse(say::kFlagRequired, "--unit", "directory " + arguments.action));
  }
  for (const std::string& webhook : arguments.All("webhook")) {
    if (webhook.find('=') == std::string::npos) return session.console.Fail(Misuse(say::kBadWebhook));
  }
  ChangeDirectoryRequest request;
  *request.mutable_header() = MakeDirectoryHeader(session);
  request.set_allow_missing_roles(arguments.Has("allow-missing"));
  request.set_validate_only(arguments.Has("dry-run"));
  DirectoryEdit& edit = *request.add_edits();
  edit.set_supersede(arguments.Has("supersede"));
  if (auto failure = MakeEntry(session, remove, remove ? edit.mutable_remove() : edit.mutable_put());
      failure) {
    return console.Fail(*failure);
  }
  ChangeDirectoryResponse response;
  if (auto failure = session.client.Call(&Directory::ChangeDirectory, request, &response); failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else if (request.validate_only()) {
    console.OutLine(Say(console.language(), say::kDirectoryJudged, response.changes_size()));
  } else {
    console.OutLine(
        Say(console.language(), say::kDirectoryChanged, response.version(), response.changes_size()));
  }
  if (!console.json() && remove) {
    Table removed = EntryTable(console.language());
    for (const DirectoryChange& change : response.changes())
      AddEntry(console.language(), change.before(), removed);
    if (!removed.empty()) console.Out(removed.Render(console.style()));
  }
  return kExitOk;
}

int Import(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  const std::string& path = arguments.Text("file");
  if (path.empty()) return session.console.Fail(Misuse(say::kFlagRequired, "--file", "directory import"));
  ImportDirectoryRequest request;
  if (auto failure = ReadInput(path, kMaxListBytes, request.mutable_csv()); failure) {
    return console.Fail(*failure);
  }
  *request.mutable_header() = MakeDirectoryHeader(session);
  request.set_replace(arguments.Has("replace"));
  request.set_allow_missing_roles(arguments.Has("allow-missing"));
  request.set_validate_only(arguments.Has("dry-run"));
  ImportDirectoryResponse response;
  if (auto failure = session.client.Call(&Directory::ImportDirectory, request, &response); failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else if (request.validate_only()) {
    console.OutLine(Say(console.language(), say::kImportJudged, response.row_count(), response.added_count(),
                        response.changed_count(), response.removed_count()));
  } else {
    console.OutLine(Say(console.language(), say::kImported, response.row_count(), response.added_count(),
                        response.changed_count(), response.removed_count(), response.version()));
  }
  return kExitOk;
}

int Export(Session& session) {
  Console& console = session.console;
  ExportDirectoryRequest request;
  request.set_chinese(console.language() == Language::kChinese);
  request.set_byte_order_mark(session.arguments.Has("bom"));
  ExportDirectoryResponse response;
  if (auto failure = session.client.Call(&Directory::ExportDirectory, request, &response); failure) {
    return console.Fail(*failure);
  }
  const std::string& path = session.arguments.Text("out");
  if (path.empty()) {
    console.Out(response.csv());
    return kExitOk;
  }
  if (!WritePrivate(path, response.csv(), IfExists::kReplace)) {
    return FailNotFound(session, Say(console.language(), say::kCannotWriteFile, path));
  }
  console.ErrLine(Say(console.language(), say::kExported, path));
  return kExitOk;
}

int History(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  ListDirectoryChangesRequest request;
  request.set_unit(session.arguments.operand);
  request.set_page_size(session.arguments.PageLimit(50));
  ListDirectoryChangesResponse response;
  if (auto failure = session.client.Call(&Directory::ListDirectoryChanges, request, &response); failure) {
    return console.Fail(*failure);
  }
  Table table({{.heading = std::string(Say(language, say::kHeadVersion)), .right_aligned = true},
               {.heading = std::string(Say(language, say::kHeadEntered))},
               {.heading = std::string(Say(language, say::kHeadReportedBy))},
               {.heading = std::string(Say(language, say::kHeadChange))},
               {.heading = std::string(Say(language, say::kHeadKind))},
               {.heading = std::string(Say(language, say::kHeadUnitName))},
               {.heading = std::string(Say(language, say::kHeadPerson))},
               {.heading = std::string(Say(language, say::kHeadWhat)), .shrinks = true}});
  for (const DirectoryChange& change : response.changes()) {
    if (console.json()) {
      console.OutLine(ToJson(change));
      continue;
    }
    std::vector<Cell> cells = {
        StrCat(change.version()), TimeText(change.commit_time()),
        StrCat(change.header().reported_by(), change.header().reference().empty() ? "" : " ",
               change.header().reference()),
        Say(language, !change.has_before()  ? say::kWordAdded
                      : !change.has_after() ? say::kWordRemoved
                                            : say::kWordChanged)};
    for (Cell& cell : EntryCells(language, change.has_after() ? change.after() : change.before())) {
      cells.push_back(std::move(cell));
    }
    table.AddRow(std::move(cells));
  }
  if (!console.json()) {
    if (table.empty()) {
      console.ErrLine(Say(language, say::kNothing));
      return kExitOk;
    }
    console.Out(table.Render(console.style()));
  }
  if (!response.next_page_token().empty()) console.ErrLine(Say(language, say::kMore), Colour::kDim);
  return kExitOk;
}

int RunPreflight(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  RunPreflightRequest request;
  request.set_unit(session.arguments.operand);
  request.set_days(static_cast<int32_t>(session.arguments.Integer("days", 0)));
  RunPreflightResponse response;
  if (auto failure = session.client.Call(&Directory::RunPreflight, request, &response); failure) {
    return console.Fail(*failure);
  }
  const bool good = response.gaps().empty();
  if (console.json()) {
    console.OutLine(ToJson(response));
    return good ? kExitOk : kExitVerifyFailed;
  }
  Table table({{.heading = std::string(Say(language, say::kHeadUnitName))},
               {.heading = std::string(Say(language, say::kHeadRungName))},
               {.heading = std::string(Say(language, say::kHeadFrom))},
               {.heading = std::string(Say(language, say::kHeadUntil))},
               {.heading = std::string(Say(language, say::kHeadWhy)), .shrinks = true}});
  for (const PreflightGap& gap : response.gaps()) {
    table.AddRow({StrCat(gap.display_name(), " (", gap.unit(), ")"),
                  Cell(EnumLabel(language, gap.rung()), Colour::kRed), TimeText(gap.start_time()),
                  TimeText(gap.end_time()), language == Language::kChinese ? gap.reason_zh() : gap.reason()});
  }
  if (!table.empty()) console.Out(table.Render(console.style()));
  console.OutLine(Paint(
      good ? Say(language, say::kPreflightGood, response.unit_count(), TimeText(response.end_time()))
           : Say(language, say::kPreflightBad, response.unreachable_rungs(), TimeText(response.end_time())),
      good ? Colour::kGreen : Colour::kRed, console.style().colour));
  return good ? kExitOk : kExitVerifyFailed;
}

int Who(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  ResolveRecipientsRequest request;
  request.set_unit(session.arguments.operand);
  request.set_rung(session.arguments.Has("rung") ? session.arguments.Word<type::v1::Rung>("rung")
                                                 : type::v1::RUNG_URGE);
  request.set_accused_unit(session.arguments.Text("accused"));
  if (const auto at = session.arguments.Time("at", session.now))
    *request.mutable_at_time() = ToTimestamp(*at);
  ResolveRecipientsResponse response;
  if (auto failure = session.client.Call(&Directory::ResolveRecipients, request, &response); failure) {
    return console.Fail(*failure);
  }
  const int code = response.recipients().empty() ? kExitNotFound : kExitOk;
  if (console.json()) {
    console.OutLine(ToJson(response));
    return code;
  }
  Table table({{.heading = std::string(Say(language, say::kHeadCapacity))},
               {.heading = std::string(Say(language, say::kHeadVia))},
               {.heading = std::string(Say(language, say::kHeadUnitName))},
               {.heading = std::string(Say(language, say::kHeadPerson))},
               {.heading = std::string(Say(language, say::kHeadContacts)), .shrinks = true}});
  for (const Recipient& one : response.recipients()) {
    table.AddRow({EnumLabel(language, one.capacity()), EnumLabel(language, one.via()), one.unit(),
                  StrCat(one.person().display_name(), " (", one.person().id(), ")"),
                  ContactsText(one.person())});
  }
  if (table.empty()) {
    console.ErrLine(Say(language, say::kNobodyTold), Colour::kRed);
  } else {
    console.Out(table.Render(console.style()));
  }
  for (const std::string& line :
       language == Language::kChinese ? response.passed_over_zh() : response.passed_over()) {
    console.ErrLine(Say(language, say::kPassedOver, line), Colour::kDim);
  }
  return code;
}

}  // namespace

int DirectoryCommand(Session& session) {
  const std::string& action = session.arguments.action;
  if (action == "set" || action == "remove") return Edit(session);
  if (action == "import") return Import(session);
  if (action == "export") return Export(session);
  if (action == "history") return History(session);
  if (action == "preflight") return RunPreflight(session);
  if (action == "who") return Who(session);
  return List(session);
}

}  // namespace hotline::hotlinectl
