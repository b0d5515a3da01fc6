// evidence: a signed file about one order, and its check without any service.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/crypto/signature.h"
#include "common/evidence/verify.h"
#include "common/rpc/security.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/output.h"
#include "services/hotlinectl/core/render.h"

namespace hotline::hotlinectl {
namespace {

static_assert(rpc::kMaxAnswerBytes > evidence::kMaxEvidenceBytes, "each file can be got");

using evidence::Check;
using evidence::EvidenceReport;
using evidence::Verdict;

int Export(Session& session) {
  Console& console = session.console;
  workorder::v1::ExportEvidenceRequest request;
  request.set_order_id(session.arguments.operand);
  workorder::v1::ExportEvidenceResponse response;
  if (auto failure =
          session.client.Call(&WorkOrderService::StubInterface::ExportEvidence, request, &response);
      failure) {
    return console.Fail(*failure);
  }
  std::string path = session.arguments.Text("out");
  // Only the last part: the name comes from elsewhere.
  if (path.empty()) path = std::filesystem::path(response.file_name()).filename().string();
  if (!WritePrivate(path, response.evidence(), IfExists::kRefuse)) {
    return session.console.Fail(Misuse(errno == EEXIST ? say::kFileExists : say::kCannotWrite, path));
  }
  if (console.json()) {
    console.OutLine(StrCat("{\"file\":", JsonString(path), ",\"bytes\":", response.evidence().size(), "}"));
  } else {
    console.OutLine(Say(console.language(), say::kEvidenceWritten,
                        Printable(session.arguments.operand, false), path, response.evidence().size()));
  }
  return kExitOk;
}

// The keys that the user vouches for. Nothing, after saying so, if one cannot be read.
bool ReadKeys(Session& session, crypto::KeyRing* ring, int* exit) {
  std::vector<std::pair<std::string, std::string>> files;  // party, file
  for (const std::string& key : session.arguments.All("public-key")) {
    const size_t equals = key.find('=');
    files.emplace_back(key.substr(0, equals), key.substr(equals + 1));
  }
  if (const std::string& folder = session.arguments.Text("public-keys"); !folder.empty()) {
    const size_t before = files.size();
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
      if (it.depth() != 1 || it->path().extension() != ".pub") continue;
      files.emplace_back(it->path().parent_path().filename().string(), it->path().string());
    }
    // To trust nobody by mistake would be taken for having checked.
    if (error || files.size() == before) {
      *exit = session.console.Fail(Misuse(say::kCannotRead, folder + "/*/*.pub"));
      return false;
    }
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end());
  }
  for (size_t i = 0; i < files.size(); ++i) {
    absl::StatusOr<crypto::PublicKey> key = crypto::PublicKey::Load(files[i].second);
    absl::Status status = key.status();
    // The file of evidence has its own names for keys; here each only needs one.
    if (status.ok()) status = ring->Add(files[i].first, StrCat("given-", i), *std::move(key));
    if (!status.ok()) {
      *exit = session.console.FailUsage(std::string(status.message()));
      return false;
    }
  }
  return true;
}

std::string_view VerdictName(Verdict verdict) {
  return verdict == Verdict::kOk ? "ok" : verdict == Verdict::kGap ? "gap" : "failed";
}

std::string ReportJson(const EvidenceReport& report, const std::string& path) {
  const auto words = [](std::string_view name, const evidence::Words& words) {
    return StrCat(",\"", name, "\":", JsonString(words.english), ",\"", name,
                  "Zh\":", JsonString(words.chinese));
  };
  std::string checks;
  for (const Check& check : report.checks) {
    checks += StrCat(checks.empty() ? "" : ",", "{\"verdict\":\"", VerdictName(check.verdict), "\"",
                     words("what", check.what), ",\"where\":", JsonString(check.where),
                     words("why", check.why), "}");
  }
  return StrCat("{\"file\":", JsonString(path), ",\"overall\":\"", VerdictName(report.overall()),
                "\",\"keysTrusted\":", report.keys_trusted ? "true" : "false",
                ",\"hotline\":", JsonString(report.hotline),
                ",\"orderNumber\":", JsonString(report.order_number), ",\"checks\":[", checks, "]}");
}

void Print(Console& console, const EvidenceReport& report) {
  const Language language = console.language();
  if (!report.hotline.empty()) {
    const std::string time = absl::FormatTime("%Y-%m-%d %H:%M:%S", report.export_time, Beijing());
    console.OutLine(Say(language, say::kEvidenceHead, Printable(report.order_number, false),
                        Printable(report.hotline, false), time));
  }
  Table table({{.heading = std::string(Say(language, say::kColVerdict))},
               {.heading = std::string(Say(language, say::kColCheck))},
               {.heading = std::string(Say(language, say::kColWhere))},
               {.heading = std::string(Say(language, say::kColDetail))}});
  const auto in_language = [&](const evidence::Words& words) {
    return language == Language::kChinese ? words.chinese : words.english;
  };
  for (const Check& check : report.checks) {
    const Phrase& word = check.verdict == Verdict::kOk    ? say::kVerdictOk
                         : check.verdict == Verdict::kGap ? say::kVerdictGap
                                                          : say::kVerdictFailed;
    const Colour colour = check.verdict == Verdict::kOk    ? Colour::kGreen
                          : check.verdict == Verdict::kGap ? Colour::kYellow
                                                           : Colour::kRed;
    table.AddRow({Cell(Say(language, word), colour), Cell(in_language(check.what)),
                  Cell(language == Language::kChinese ? evidence::WhereZh(check.where) : check.where),
                  Cell(in_language(check.why))});
  }
  console.Out(table.Render(console.style()));
  const Verdict overall = report.overall();
  const auto line = [&](const Phrase& phrase, Colour colour) {
    console.OutLine(Paint(Say(language, phrase), colour, console.style().colour));
  };
  if (overall == Verdict::kFailed) {
    line(say::kEvidenceFailed, Colour::kRed);
    return;
  }
  if (!report.keys_trusted) line(say::kKeysUnchecked, Colour::kRed);
  line(overall == Verdict::kOk ? say::kEvidenceGood : say::kEvidenceGaps,
       overall == Verdict::kOk ? Colour::kGreen : Colour::kYellow);
}

int VerifyFile(Session& session) {
  Console& console = session.console;
  const std::string& path = session.arguments.operand;
  crypto::KeyRing trusted;
  int exit = kExitUsage;
  if (!ReadKeys(session, &trusted, &exit)) return exit;
  std::ifstream file(path == "-" ? "/dev/stdin" : path, std::ios::binary);
  // One byte more than allowed shows that it is too large.
  std::string bytes;
  std::vector<char> piece(1 << 16);
  while (file && bytes.size() <= evidence::kMaxEvidenceBytes) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    bytes.append(piece.data(), static_cast<size_t>(file.gcount()));
  }
  // A folder opens but cannot be read.
  if (!file.is_open() || file.bad()) {
    return session.console.Fail(Misuse(say::kCannotRead, path));
  }
  const EvidenceReport report = evidence::VerifyEvidence(bytes, trusted);
  if (console.json()) {
    console.OutLine(ReportJson(report, path));
  } else {
    Print(console, report);
  }
  return report.overall() == Verdict::kFailed ? kExitVerifyFailed : kExitOk;
}

}  // namespace

int Evidence(Session& session) {
  return session.arguments.action == "export" ? Export(session) : VerifyFile(session);
}

}  // namespace hotline::hotlinectl
