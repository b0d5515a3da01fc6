#include "services/escalation/edge_calendar.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/boot/config.h"
#include "common/error/error.h"
#include "services/escalation/calendar/import.h"
#include "services/escalation/calendar/layer.h"

namespace hotline::escalation {
namespace {

using calendar::Problem;
using config::v1::CalendarLayer;
using config::v1::CalendarList;

constexpr int kMaxCalendars = 256;

// Where `path` stands in its file, or else the nearest thing around it that does.
boot::Position PlaceOf(const boot::Positions& positions, std::string path) {
  while (true) {
    if (const auto it = positions.find(path); it != positions.end()) return it->second;
    if (path.empty()) return {1, 1};
    const size_t end = path.find_last_of(".[");
    path.resize(end == std::string::npos ? 0 : end);
  }
}

absl::Status Report(const std::string& file, const boot::Positions& positions,
                    const std::vector<Problem>& problems) {
  if (problems.empty()) return absl::OkStatus();
  std::string english;
  std::string chinese;
  for (const Problem& problem : problems) {
    const boot::Position at = PlaceOf(positions, problem.path);
    const std::string place = StrCat(file, ":", at.line, ":", at.column, ": ");
    if (&problem != &problems.front()) {
      english += StrCat("\n", problem.path, ": ");
      chinese += StrCat("\n字段 ", problem.path, "：");
    }
    english += place + problem.english;
    chinese += place + problem.chinese;
  }
  return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, problems.front().path, english, chinese);
}

absl::Status Load(const std::string& path, google::protobuf::Message* message, boot::Positions* positions) {
  const absl::Status status = boot::LoadYaml(path, message, positions);
  if (status.ok() || absl::IsNotFound(status)) return status;
  const std::string text(status.message());
  return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, "", text,
                         StrCat("工作日历文件有误：", text));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(ToAbsl(StrCat("cannot read ", path)));
  // A byte more than allowed shows that there is too much.
  std::string text(calendar::kMaxImportBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return absl::NotFoundError(ToAbsl(StrCat("cannot read ", path)));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

std::string Beside(const std::string& file, const std::string& other) {
  return (std::filesystem::path(file).parent_path() / other).lexically_normal().string();
}

}  // namespace

absl::StatusOr<CalendarLayer> LoadLayer(const std::string& path) {
  CalendarLayer layer;
  boot::Positions positions;
  if (absl::Status status = Load(path, &layer, &positions); !status.ok()) return status;
  // Days that came from a file have no place in this one but that of the import.
  const int own = layer.days_size();
  std::vector<int> import_of;
  for (int i = 0; i < layer.imports_size(); ++i) {
    const config::v1::CalendarImport& import = layer.imports(i);
    const std::string field = StrCat("imports[", i, "].file");
    const bool json = import.file().ends_with(".json");
    if (!json && !import.file().ends_with(".ics")) {
      return Report(path, positions, {{field, "must end in .json or .ics", "须以.json或.ics结尾"}});
    }
    const std::string file = Beside(path, import.file());
    const absl::StatusOr<std::string> text = ReadFile(file);
    if (!text.ok()) {
      return Report(path, positions, {{field, StrCat("cannot be read: ", file), StrCat("无法读取：", file)}});
    }
    const auto days = json ? calendar::ParseHolidayJson(*text, file, import.document())
                           : calendar::ParseICalendar(*text, file, import.document());
    if (!days.ok()) return days.status();
    for (const config::v1::DayRule& day : *days) {
      *layer.add_days() = day;
      import_of.push_back(i);
    }
  }
  layer.clear_imports();
  std::vector<Problem> problems = calendar::CheckLayer(layer);
  for (Problem& problem : problems) {
    if (!problem.path.starts_with("days[")) continue;
    const int index = std::atoi(problem.path.c_str() + 5);
    if (index < own) continue;
    const std::string date = layer.days(index).first_date();
    problem.path = StrCat("imports[", import_of[index - own], "].file");
    problem.english = StrCat("its day ", date, ": ", problem.english);
    problem.chinese = StrCat("其中", date, "：", problem.chinese);
  }
  if (absl::Status status = Report(path, positions, problems); !status.ok()) return status;
  return layer;
}

absl::StatusOr<LoadedCalendars> LoadCalendars(const std::string& path, calendar::Calendar::Options options) {
  CalendarList list;
  boot::Positions positions;
  if (absl::Status status = Load(path, &list, &positions); !status.ok()) return status;
  std::vector<Problem> problems;
  if (list.version().empty()) problems.push_back({"version", "is required", "必填"});
  if (list.version().size() > 64) {
    problems.push_back({"version", "is longer than 64 characters", "超过64个字符"});
  }
  if (list.calendars().empty()) problems.push_back({"calendars", "is required", "必填"});
  if (list.calendars_size() > kMaxCalendars) {
    problems.push_back({"calendars", StrCat("has more than ", kMaxCalendars, " entries"),
                        StrCat("超过", kMaxCalendars, "项")});
  }
  std::set<std::string> codes;
  for (int i = 0; i < list.calendars_size(); ++i) {
    const config::v1::CalendarDefinition& definition = list.calendars(i);
    const std::string field = StrCat("calendars[", i, "].code");
    const std::string& code = definition.code();
    const bool good = !code.empty() && code.size() <= 32 && std::all_of(code.begin(), code.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
    if (!good) {
      problems.push_back({field, "must be 1 to 32 of a-z, 0-9 and _", "须为1至32个小写字母、数字或下划线"});
    } else if (!codes.insert(code).second) {
      problems.push_back({field, "is there twice", "重复"});
    }
    if (definition.layers().empty()) {
      problems.push_back({StrCat("calendars[", i, "].layers"), "is required", "必填"});
    }
  }
  if (absl::Status status = Report(path, positions, problems); !status.ok()) return status;

  LoadedCalendars loaded;
  loaded.version = list.version();
  std::map<std::string, CalendarLayer> files;
  for (int i = 0; i < list.calendars_size(); ++i) {
    const config::v1::CalendarDefinition& definition = list.calendars(i);
    std::vector<CalendarLayer> layers;
    for (int l = 0; l < definition.layers_size(); ++l) {
      const std::string file = Beside(path, definition.layers(l));
      auto it = files.find(file);
      if (it == files.end()) {
        absl::StatusOr<CalendarLayer> layer = LoadLayer(file);
        if (absl::IsNotFound(layer.status())) {
          return Report(path, positions,
                        {{StrCat("calendars[", i, "].layers[", l, "]"), StrCat("cannot be read: ", file),
                          StrCat("无法读取：", file)}});
        }
        if (!layer.ok()) return layer.status();
        it = files.emplace(file, *std::move(layer)).first;
      }
      layers.push_back(it->second);
    }
    absl::StatusOr<calendar::Calendar> made =
        calendar::Calendar::Create(definition.code(), std::move(layers), options);
    if (!made.ok()) {
      return Report(path, positions,
                    {{StrCat("calendars[", i, "]"), std::string(made.status().message()),
                      error::ChineseOf(made.status())}});
    }
    loaded.by_code.emplace(definition.code(), *std::move(made));
  }
  return loaded;
}

}  // namespace hotline::escalation
