#include "services/escalation/edge_calendar.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/boot/config.h"
#include "common/boot/yaml_text.h"
#include "common/error/error.h"
#include "services/escalation/calendar/import.h"
#include "services/escalation/calendar/layer.h"
#include "services/escalation/calendar/notice.h"

namespace hotline::escalation {
namespace {

using calendar::Problem;
using config::v1::CalendarLayer;
using config::v1::CalendarList;
using error::Reason;

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

// Where files come from, by the path that others call them.
class Source {
 public:
  virtual ~Source() = default;
  // At most one byte more than a file may have, which shows that there is too much. Errors: NOT_FOUND.
  virtual absl::StatusOr<std::string> Read(const std::string& path) const = 0;
  // What `other`, as written in `file`, is called.
  virtual std::string Beside(const std::string& file, const std::string& other) const = 0;
  // `fault` of the file `path`, as whoever gave the file knows it.
  virtual absl::Status FaultOf(const std::string& path, absl::Status fault) const = 0;
};

absl::Status Report(const Source& source, const std::string& file, const boot::Positions& positions,
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
  return source.FaultOf(
      file, error::BadField(Reason::ERROR_REASON_FIELD_INVALID, problems.front().path, english, chinese));
}

class Disk final : public Source {
 public:
  absl::StatusOr<std::string> Read(const std::string& path) const override {
    std::ifstream file(path, std::ios::binary);
    if (!file) return absl::NotFoundError(ToAbsl(StrCat("cannot read ", path)));
    std::string text(calendar::kMaxImportBytes + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) return absl::NotFoundError(ToAbsl(StrCat("cannot read ", path)));
    text.resize(static_cast<size_t>(file.gcount()));
    return text;
  }
  std::string Beside(const std::string& file, const std::string& other) const override {
    return (std::filesystem::path(file).parent_path() / other).lexically_normal().string();
  }
  absl::Status FaultOf(const std::string&, absl::Status fault) const override { return fault; }
};

std::string LastName(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

// Files of a request.
class Parcel final : public Source {
 public:
  // Errors: LIST_INVALID, FIELD_REQUIRED, FIELD_INVALID of the request.
  absl::Status Take(const std::vector<v1::CalendarFile>& files) {
    if (files.size() > kMaxFiles) {
      return error::BadField(Reason::ERROR_REASON_LIST_INVALID, "calendar_files",
                             StrCat("has more than ", kMaxFiles, " entries"),
                             StrCat("超过", kMaxFiles, "项"));
    }
    size_t bytes = 0;
    for (size_t i = 0; i < files.size(); ++i) {
      const std::string field = StrCat("calendar_files[", i, "].name");
      const std::string name = LastName(files[i].name());
      if (name.empty()) return error::Required(field);
      if (files[i].name().size() > kMaxNameBytes || !CountCodePoints(name).has_value() ||
          HasControlCharacters(name, false)) {
        return error::BadText(field);
      }
      if (!IsLayerFile(name) && !IsDaysFile(name)) {
        return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, field,
                               StrCat("must end in .yaml, .yml, .json or .ics: ", name),
                               StrCat("须以.yaml、.yml、.json或.ics结尾：", name));
      }
      bytes += files[i].content().size();
      if (!files_.emplace(name, files[i].content()).second) {
        return error::BadField(Reason::ERROR_REASON_LIST_INVALID, field, StrCat("is there twice: ", name),
                               StrCat("重复：", name));
      }
      names_.push_back(name);
    }
    if (bytes > kMaxBytes) {
      return error::BadField(Reason::ERROR_REASON_LIST_INVALID, "calendar_files",
                             "are larger than 2 MiB together", "合计超过2MiB");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Read(const std::string& path) const override {
    const auto it = files_.find(path);
    if (it == files_.end()) return absl::NotFoundError(ToAbsl(StrCat("not among the files: ", path)));
    used_.insert(path);
    return it->second;
  }
  std::string Beside(const std::string&, const std::string& other) const override { return LastName(other); }
  // The request has no field but the file: which of its own is at fault, the text says.
  absl::Status FaultOf(const std::string& path, absl::Status fault) const override {
    const auto it = std::find(names_.begin(), names_.end(), path);
    if (fault.ok() || it == names_.end()) return fault;
    return error::BadField(error::ReasonOf(fault),
                           StrCat("calendar_files[", it - names_.begin(), "].content"),
                           ToStd(fault.message()), error::ChineseOf(fault));
  }

  // In the order given.
  const std::vector<std::string>& names() const { return names_; }
  bool IsUsed(const std::string& name) const { return used_.contains(name); }

  static bool IsLayerFile(std::string_view name) { return name.ends_with(".yaml") || name.ends_with(".yml"); }
  static bool IsDaysFile(std::string_view name) { return name.ends_with(".json") || name.ends_with(".ics"); }

 private:
  static constexpr size_t kMaxFiles = 64;
  static constexpr size_t kMaxNameBytes = 255;
  static constexpr size_t kMaxBytes = 2 << 20;

  std::map<std::string, std::string> files_;
  std::vector<std::string> names_;
  mutable std::set<std::string> used_;
};

absl::Status Load(const Source& source, const std::string& path, google::protobuf::Message* message,
                  boot::Positions* positions) {
  const absl::StatusOr<std::string> text = source.Read(path);
  if (!text.ok()) return text.status();
  const absl::Status status = boot::ParseYaml(*text, path, message, positions);
  if (status.ok()) return status;
  const std::string fault(status.message());
  return source.FaultOf(path, error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "", fault,
                                              StrCat("工作日历文件有误：", boot::YamlFaultsZh(fault, path))));
}

absl::StatusOr<std::vector<config::v1::DayRule>> ParseDays(std::string_view text, const std::string& file,
                                                           const std::string& document) {
  return file.ends_with(".json") ? calendar::ParseHolidayJson(text, file, document)
                                 : calendar::ParseICalendar(text, file, document);
}

absl::StatusOr<CalendarLayer> LoadLayerFrom(const Source& source, const std::string& path) {
  CalendarLayer layer;
  boot::Positions positions;
  if (absl::Status status = Load(source, path, &layer, &positions); !status.ok()) return status;
  // Days that came from a file have no place in this one but that of the import.
  const int own = layer.days_size();
  std::vector<int> import_of;
  for (int i = 0; i < layer.imports_size(); ++i) {
    const config::v1::CalendarImport& import = layer.imports(i);
    const std::string field = StrCat("imports[", i, "].file");
    if (!Parcel::IsDaysFile(import.file())) {
      return Report(source, path, positions, {{field, "must end in .json or .ics", "须以.json或.ics结尾"}});
    }
    const std::string file = source.Beside(path, import.file());
    const absl::StatusOr<std::string> text = source.Read(file);
    if (!text.ok()) {
      return Report(source, path, positions,
                    {{field, StrCat("cannot be read: ", file), StrCat("无法读取：", file)}});
    }
    const auto days = ParseDays(*text, file, import.document());
    if (!days.ok()) return source.FaultOf(file, days.status());
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
  if (absl::Status status = Report(source, path, positions, problems); !status.ok()) return status;
  return layer;
}

absl::StatusOr<LoadedCalendars> LoadCalendarsFrom(const Source& source, const std::string& path,
                                                  calendar::Calendar::Options options) {
  CalendarList list;
  boot::Positions positions;
  if (absl::Status status = Load(source, path, &list, &positions); !status.ok()) return status;
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
  if (absl::Status status = Report(source, path, positions, problems); !status.ok()) return status;

  LoadedCalendars loaded;
  loaded.version = list.version();
  std::map<std::string, CalendarLayer> files;
  for (int i = 0; i < list.calendars_size(); ++i) {
    const config::v1::CalendarDefinition& definition = list.calendars(i);
    std::vector<CalendarLayer> layers;
    for (int l = 0; l < definition.layers_size(); ++l) {
      const std::string file = source.Beside(path, definition.layers(l));
      auto it = files.find(file);
      if (it == files.end()) {
        absl::StatusOr<CalendarLayer> layer = LoadLayerFrom(source, file);
        if (absl::IsNotFound(layer.status())) {
          return Report(source, path, positions,
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
      return Report(source, path, positions,
                    {{StrCat("calendars[", i, "]"), std::string(made.status().message()),
                      error::ChineseOf(made.status())}});
    }
    loaded.by_code.emplace(definition.code(), *std::move(made));
  }
  return loaded;
}

// Calendars on their way from what holds to what is wanted.
class Change {
 public:
  Change(const Calendars* current, const v1::CalendarNotice& notice, calendar::Calendar::Options options)
      : current_(current), notice_(notice), options_(options) {}

  absl::StatusOr<Calendars> Run(const std::vector<v1::CalendarFile>& files) {
    if (absl::Status status = parcel_.Take(files); !status.ok()) return status;
    if (absl::Status status = Lists(); !status.ok()) return status;
    if (absl::Status status = Layers(); !status.ok()) return status;
    if (absl::Status status = Days(); !status.ok()) return status;
    Calendars made;
    for (auto& [code, layers] : layers_) {
      absl::StatusOr<calendar::Calendar> calendar =
          calendar::Calendar::Create(code, std::move(layers), options_);
      if (!calendar.ok()) {
        return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "calendar_files",
                               StrCat(code, ": ", std::string(calendar.status().message())),
                               StrCat(code, "：", error::ChineseOf(calendar.status())));
      }
      made.emplace(code, *std::move(calendar));
    }
    if (absl::Status status = CheckVersions(current_, made, "calendar_files"); !status.ok()) return status;
    return made;
  }

 private:
  static absl::Status Bad(std::string_view field, std::string_view english, std::string_view chinese) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, field, english, chinese);
  }

  // What there is to change: the list among the files with all that it names, or what holds.
  absl::Status Lists() {
    std::string list;
    for (const std::string& name : parcel_.names()) {
      if (!Parcel::IsLayerFile(name) || !IsList(*parcel_.Read(name))) continue;
      if (!list.empty()) {
        return Bad("calendar_files", StrCat(list, " and ", name, " are both lists of calendars"),
                   StrCat(list, "与", name, "都是日历清单，只能有一个"));
      }
      list = name;
    }
    if (list.empty()) {
      if (current_ != nullptr) {
        for (const auto& [code, calendar] : *current_) layers_.emplace(code, calendar.layers());
      }
      return absl::OkStatus();
    }
    absl::StatusOr<LoadedCalendars> loaded = LoadCalendarsFrom(parcel_, list, options_);
    if (!loaded.ok()) return loaded.status();
    for (const auto& [code, calendar] : loaded->by_code) layers_.emplace(code, calendar.layers());
    return absl::OkStatus();
  }

  // `calendars:` at the begin of a line.
  static bool IsList(std::string_view text) {
    constexpr std::string_view kKey = "calendars:";
    return text.starts_with(kKey) || text.find(StrCat("\n", kKey)) != std::string_view::npos;
  }

  absl::Status Layers() {
    std::set<std::string> codes;
    for (const std::string& name : parcel_.names()) {
      if (!Parcel::IsLayerFile(name) || IsList(*parcel_.Read(name))) continue;
      absl::StatusOr<CalendarLayer> layer = LoadLayerFrom(parcel_, name);
      if (!layer.ok()) return layer.status();
      if (!codes.insert(layer->code()).second) {
        return Bad("calendar_files", StrCat(name, ": another file is the layer ", layer->code(), " too"),
                   StrCat(name, "：另有文件也是层“", layer->code(), "”"));
      }
      if (absl::Status status = Replace(name, *layer); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Calendars may have layers with one code that differ: then which is meant is not known.
  absl::Status OneOnly(const std::string& layer_code) const {
    const CalendarLayer* seen = nullptr;
    for (const auto& [code, layers] : layers_) {
      for (const CalendarLayer& layer : layers) {
        if (layer.code() != layer_code) continue;
        if (seen != nullptr && seen->SerializeAsString() != layer.SerializeAsString()) {
          return Bad(
              "calendar_files",
              StrCat("calendars have different layers ", layer_code, ": give the list of calendars too"),
              StrCat("各日历的层“", layer_code, "”内容不同，须同时提供日历清单"));
        }
        seen = &layer;
      }
    }
    return absl::OkStatus();
  }

  // Puts `layer` in the place of those with its code.
  absl::Status Replace(const std::string& name, const CalendarLayer& layer) {
    if (absl::Status status = OneOnly(layer.code()); !status.ok()) return status;
    bool found = false;
    for (auto& [code, layers] : layers_) {
      for (CalendarLayer& one : layers) {
        if (one.code() != layer.code()) continue;
        found = true;
        one = layer;
      }
    }
    if (found) return absl::OkStatus();
    return Bad(
        "calendar_files",
        StrCat(name, ": no calendar has a layer ", layer.code(), "; there are: ", Codes(),
               ". To add one, give the list of calendars too"),
        StrCat(name, "：没有日历使用层“", layer.code(), "”，现有：", Codes(), "。新增层须同时提供日历清单"));
  }

  std::string Codes() const {
    std::set<std::string> codes;
    for (const auto& [code, layers] : layers_) {
      for (const CalendarLayer& layer : layers) codes.insert(layer.code());
    }
    std::string text;
    for (const std::string& code : codes) text += StrCat(text.empty() ? "" : ", ", code);
    return text.empty() ? "-" : text;
  }

  // Those files of single days that no layer imports are the notice's.
  absl::Status Days() {
    std::vector<config::v1::DayRule> days;
    std::string names;
    for (const std::string& name : parcel_.names()) {
      if (!Parcel::IsDaysFile(name) || parcel_.IsUsed(name)) continue;
      if (notice_.document().empty()) {
        return error::BadField(Reason::ERROR_REASON_FIELD_REQUIRED, "calendar_notice.document",
                               StrCat("is required: the number of the document that ", name, " rests on"),
                               StrCat("必填：", name, "所依据文件的文号"));
      }
      auto read = ParseDays(*parcel_.Read(name), name, notice_.document());
      if (!read.ok()) return parcel_.FaultOf(name, read.status());
      days.insert(days.end(), read->begin(), read->end());
      names += StrCat(names.empty() ? "" : ", ", name);
    }
    if (names.empty()) {
      if (notice_.ByteSizeLong() == 0) return absl::OkStatus();
      return Bad("calendar_notice", "is only for files of single days (.json, .ics) that no layer imports",
                 "仅用于未被任何层引入的单日文件（.json、.ics）");
    }
    const CalendarLayer* target = Target();
    if (target == nullptr) {
      return notice_.layer().empty()
                 ? error::BadField(
                       Reason::ERROR_REASON_FIELD_REQUIRED, "calendar_notice.layer",
                       StrCat("is required: there is not one layer of the nation; layers: ", Codes()),
                       StrCat("必填：没有唯一的国家层，现有：", Codes()))
                 : Bad("calendar_notice.layer", StrCat("must be one of: ", Codes()),
                       StrCat("须为以下之一：", Codes()));
    }
    const std::string code = target->code();
    if (absl::Status status = OneOnly(code); !status.ok()) return status;
    absl::StatusOr<CalendarLayer> made = calendar::WithNotice(*target,
                                                              {.document = notice_.document(),
                                                               .title = notice_.title(),
                                                               .issue_date = notice_.issue_date(),
                                                               .first_date = notice_.first_date(),
                                                               .last_date = notice_.last_date(),
                                                               .only_its_days = notice_.only_its_days(),
                                                               .version = notice_.version()},
                                                              days);
    if (!made.ok()) return made.status();
    if (const std::vector<Problem> problems = calendar::CheckLayer(*made); !problems.empty()) {
      // The layer has no file here; a day is known by its date.
      const Problem& first = problems.front();
      std::string at = first.path;
      if (at.starts_with("days[")) {
        const int index = std::atoi(at.c_str() + 5);
        if (index < made->days_size()) at = made->days(index).first_date();
      }
      return Bad("calendar_notice", StrCat(names, ": ", at, ": ", first.english),
                 StrCat(names, "：", at, "：", first.chinese));
    }
    for (auto& [calendar, layers] : layers_) {
      for (CalendarLayer& layer : layers) {
        if (layer.code() == code) layer = *made;
      }
    }
    return absl::OkStatus();
  }

  // The layer that the notice is for; null if there is none, or not one alone.
  const CalendarLayer* Target() const {
    const CalendarLayer* target = nullptr;
    for (const auto& [code, layers] : layers_) {
      for (const CalendarLayer& layer : layers) {
        const bool fits = notice_.layer().empty() ? layer.level() == config::v1::LAYER_LEVEL_NATION
                                                  : layer.code() == notice_.layer();
        if (!fits) continue;
        if (target != nullptr && target->code() != layer.code()) return nullptr;
        target = &layer;
      }
    }
    return target;
  }

  const Calendars* const current_;
  const v1::CalendarNotice& notice_;
  const calendar::Calendar::Options options_;
  Parcel parcel_;
  // By calendar.
  std::map<std::string, std::vector<CalendarLayer>> layers_;
};

}  // namespace

absl::StatusOr<CalendarLayer> LoadLayer(const std::string& path) { return LoadLayerFrom(Disk(), path); }

absl::StatusOr<LoadedCalendars> LoadCalendars(const std::string& path, calendar::Calendar::Options options) {
  return LoadCalendarsFrom(Disk(), path, options);
}

absl::Status CheckVersions(const Calendars* current, const Calendars& made, std::string_view field) {
  if (current == nullptr) return absl::OkStatus();
  // By code and version: calendars may have different layers of one code.
  std::map<std::pair<std::string, std::string>, std::set<std::string>> known;
  for (const auto& [code, calendar] : *current) {
    for (const CalendarLayer& layer : calendar.layers()) {
      known[{layer.code(), layer.version()}].insert(layer.SerializeAsString());
    }
  }
  for (const auto& [code, calendar] : made) {
    for (const CalendarLayer& layer : calendar.layers()) {
      const auto it = known.find({layer.code(), layer.version()});
      if (it == known.end() || it->second.contains(layer.SerializeAsString())) continue;
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, field,
                             StrCat("the layer ", layer.code(), " says something else than its version ",
                                    layer.version(), ", which is in force: give it another version"),
                             StrCat("层“", layer.code(), "”的版本", layer.version(),
                                    "与现行版本相同而内容不同，请更改 version"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Calendars> ChangeCalendars(const Calendars* current,
                                          const std::vector<v1::CalendarFile>& files,
                                          const v1::CalendarNotice& notice,
                                          calendar::Calendar::Options options) {
  return Change(current, notice, options).Run(files);
}

}  // namespace hotline::escalation
