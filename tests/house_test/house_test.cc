// Reads the repository and holds it to the rules that no compiler knows. Each message says what to write
// instead.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}
bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}
bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// One C++ file, with comments blanked out so that only code is judged. Lines keep their numbers.
struct Source {
  std::string path;  // relative to the root, with `/`
  std::vector<std::string> lines;
  std::vector<std::string> includes;
};

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string WithoutComments(const std::string& text) {
  std::string out;
  enum { kCode, kLine, kBlock, kString, kChar } in = kCode;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (in == kCode && c == '/' && next == '/') in = kLine;
    if (in == kCode && c == '/' && next == '*') in = kBlock;
    if (in == kLine && c == '\n') in = kCode;
    if (in == kBlock && c == '*' && next == '/') {
      in = kCode;
      out += "  ";
      ++i;
      continue;
    }
    if ((in == kString || in == kChar) && c == '\\') {
      out += c;
      out += next;
      ++i;
      continue;
    }
    if (c == '"' && in == kCode && i > 0 && text[i - 1] == 'R') {
      // A raw string is copied as it is.
      const size_t open = text.find('(', i);
      const std::string close =
          open == std::string::npos ? "" : ")" + text.substr(i + 1, open - i - 1) + "\"";
      const size_t end = close.empty() ? std::string::npos : text.find(close, open);
      if (end != std::string::npos) {
        out += text.substr(i, end + close.size() - i);
        i = end + close.size() - 1;
        continue;
      }
    }
    if (c == '"' && in != kLine && in != kBlock && in != kChar) {
      in = in == kString ? kCode : kString;
    } else if (c == '\'' && in == kCode && (i == 0 || !isalnum(static_cast<unsigned char>(text[i - 1])))) {
      in = kChar;
    } else if (c == '\'' && in == kChar) {
      in = kCode;
    }
    out += (in == kLine || in == kBlock) && c != '\n' ? ' ' : c;
  }
  return out;
}

// Every file of the repository outside build folders and dot-folders, relative to the root.
std::vector<std::string> Files() {
  static const std::vector<std::string> files = [] {
    std::vector<std::string> found;
    const fs::path root = HOTLINE_SOURCE_DIR;
    for (const char* top : {"proto", "services", "common", "deploy", "tests"}) {
      if (!fs::exists(root / top)) continue;
      for (fs::recursive_directory_iterator it(root / top), end; it != end; ++it) {
        const std::string name = it->path().filename().string();
        if (it->is_directory() && (name == "__pycache__" || name == "node_modules" || name[0] == '.')) {
          it.disable_recursion_pending();
        } else if (it->is_regular_file() && !EndsWith(name, ".pyc")) {
          found.push_back(fs::relative(it->path(), root).generic_string());
        }
      }
    }
    for (const char* file : {"CMakeLists.txt", "README.md", "docker-compose.yml"}) {
      if (fs::exists(root / file)) found.push_back(file);
    }
    std::sort(found.begin(), found.end());
    return found;
  }();
  return files;
}

const std::vector<Source>& Sources() {
  static const std::vector<Source> sources = [] {
    std::vector<Source> found;
    const std::regex include(R"re(^\s*#\s*include\s*[<"]([^>"]+)[>"])re");
    for (const std::string& path : Files()) {
      if (!EndsWith(path, ".cc") && !EndsWith(path, ".h")) continue;
      Source source;
      source.path = path;
      std::istringstream text(WithoutComments(ReadAll(fs::path(HOTLINE_SOURCE_DIR) / path)));
      for (std::string line; std::getline(text, line);) {
        std::smatch match;
        if (std::regex_search(line, match, include)) source.includes.push_back(match[1]);
        source.lines.push_back(line);
      }
      found.push_back(std::move(source));
    }
    return found;
  }();
  return sources;
}

// Every line of code that matches, as `path:line: text`, in files that `judged` accepts.
template <typename Judged>
std::vector<std::string> Lines(const std::regex& pattern, Judged judged) {
  std::vector<std::string> found;
  for (const Source& source : Sources()) {
    if (!judged(source.path)) continue;
    for (size_t i = 0; i < source.lines.size(); ++i) {
      if (std::regex_search(source.lines[i], pattern)) {
        found.push_back(source.path + ":" + std::to_string(i + 1) + ": " + source.lines[i]);
      }
    }
  }
  return found;
}

// Every `file includes header` for which both agree.
template <typename Judged, typename Forbidden>
std::vector<std::string> Includes(Judged judged, Forbidden forbidden) {
  std::vector<std::string> found;
  for (const Source& source : Sources()) {
    if (!judged(source.path)) continue;
    for (const std::string& include : source.includes) {
      if (forbidden(include)) found.push_back(source.path + " includes " + include);
    }
  }
  return found;
}

std::string Join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

bool Product(std::string_view path) { return StartsWith(path, "common/") || StartsWith(path, "services/"); }
// `services/<name>/…` → name; else empty.
std::string ServiceOf(std::string_view path) {
  if (!StartsWith(path, "services/")) return "";
  const std::string_view rest = path.substr(9);
  return std::string(rest.substr(0, rest.find('/')));
}
// The edge: what may know gRPC, spdlog and prometheus.
bool Edge(const std::string& path) {
  static const std::regex edge(
      "(common/(rpc|boot)/.*|services/hotlinectl/.*|services/[^/]+/(main\\.cc|edge[^/]*\\.(h|cc)))");
  return std::regex_match(path, edge);
}
// Pure decisions: each service's core, and the calendar engine and the routing, which are large enough for a
// folder of their own.
bool Core(std::string_view path) {
  return StartsWith(path, "services/") &&
         (Contains(path, "/core/") || StartsWith(path, "services/escalation/calendar/") ||
          StartsWith(path, "services/dispatch/routing/"));
}
bool StoreFolder(std::string_view path) { return StartsWith(path, "services/") && Contains(path, "/store/"); }

#define EXPECT_NONE(found, advice) EXPECT_TRUE((found).empty()) << advice << Join(found)

TEST(HouseTest, ReadsTheRepository) {
  // Guards the other tests against judging nothing.
  EXPECT_GT(Sources().size(), 20u);
  EXPECT_EQ(WithoutComments("a // b\nc /* d\n */ e \"// f\" 'x'"), "a     \nc     \n    e \"// f\" 'x'");
}

TEST(HouseTest, ServicesDoNotIncludeEachOther) {
  std::vector<std::string> found;
  for (const Source& source : Sources()) {
    const std::string service = ServiceOf(source.path);
    for (const std::string& include : source.includes) {
      const std::string other = ServiceOf(include);
      const bool from_common = StartsWith(source.path, "common/");
      if (!other.empty() && (from_common || (!service.empty() && other != service))) {
        found.push_back(source.path + " includes " + include);
      }
    }
  }
  EXPECT_NONE(found, "Move what two services share to common/, or talk through a contract of proto/.");
}

TEST(HouseTest, ProductDoesNotIncludeTests) {
  EXPECT_NONE(Includes(Product,
                       [](const std::string& include) {
                         return StartsWith(include, "tests/") || StartsWith(include, "gtest/") ||
                                StartsWith(include, "gmock/");
                       }),
              "Tests look at the product, never the other way round. Move the helper to tests/support.");
}

TEST(HouseTest, GrpcStaysAtTheEdge) {
  EXPECT_NONE(Includes([](const std::string& path) { return Product(path) && !Edge(path); },
                       [](const std::string& include) {
                         return StartsWith(include, "grpcpp/") || StartsWith(include, "grpc/") ||
                                EndsWith(include, ".grpc.pb.h") || StartsWith(include, "common/rpc/") ||
                                StartsWith(include, "common/boot/");
                       }),
              "Take the contract (common/contract) as an interface; gRPC is for common/rpc, common/boot, "
              "main.cc and edge*.");
}

TEST(HouseTest, LogAndMetricsStayAtTheEdge) {
  EXPECT_NONE(Includes([](const std::string& path) { return Product(path) && !Edge(path); },
                       [](const std::string& include) {
                         return StartsWith(include, "spdlog/") || StartsWith(include, "prometheus/") ||
                                StartsWith(include, "yaml-cpp/");
                       }),
              "Return it, count it in a struct, or report it to an observer; the edge writes the log and the "
              "metrics.");
}

TEST(HouseTest, OneFileKnowsSqlite) {
  const auto found = Includes([](const std::string& path) { return !StartsWith(path, "tests/"); },
                              [](const std::string& include) { return include == "sqlite3.h"; });
  EXPECT_LE(found.size(), 1u) << "Use common/sql/database.h; only its driver includes sqlite3.h."
                              << Join(found);
  const auto postgres = Includes([](const std::string&) { return true; },
                                 [](const std::string& include) { return include == "libpq-fe.h"; });
  EXPECT_LE(postgres.size(), 1u) << "Use common/sql/database.h; only its driver includes libpq-fe.h."
                                 << Join(postgres);
}

TEST(HouseTest, SqlStaysInStores) {
  const auto judged = [](const std::string& path) {
    // main.cc puts a process together, so it may choose the driver; a backup is checked without its service.
    return Product(path) && !StartsWith(path, "common/sql/") && !StoreFolder(path) &&
           path != "common/backup/verify.cc" && !EndsWith(path, "/main.cc");
  };
  EXPECT_NONE(Includes(judged, [](const std::string& include) { return StartsWith(include, "common/sql/"); }),
              "Call the service's store; SQL is for services/*/store.");
}

TEST(HouseTest, CoreIsPure) {
  EXPECT_NONE(Includes([](const std::string& path) { return Core(path) && ServiceOf(path) != "hotlinectl"; },
                       [](const std::string& include) {
                         const bool ours = StartsWith(include, "common/") || StartsWith(include, "services/");
                         const bool pure = StartsWith(include, "common/base/") ||
                                           StartsWith(include, "common/error/") ||
                                           StartsWith(include, "common/catalogue/") ||
                                           StartsWith(include, "common/suggest/") ||
                                           StartsWith(include, "common/retention/") || Core(include);
                         static const std::set<std::string> outside = {
                             "thread", "mutex", "fstream", "filesystem", "iostream", "common/base/loop.h"};
                         return (ours && !pure) || outside.contains(include);
                       }),
              "core decides on values: pass what it needs as data; stores, files, threads and clocks belong "
              "to its caller.");
}

TEST(HouseTest, TheVerifierSharesNothingWithTheEngine) {
  EXPECT_NONE(Includes([](const std::string& path) { return StartsWith(path, "common/derivation/"); },
                       [](const std::string& include) { return StartsWith(include, "services/"); }),
              "What the engine gets wrong must show in the verifier: write it again there, in its own way.");
}

TEST(HouseTest, CommonFoldersKeepTheirOrder) {
  // What each folder of common/ may include of common/.
  const std::map<std::string, std::set<std::string>> allowed = {
      {"base", {}},
      {"error", {"base"}},
      {"crypto", {"base", "error"}},
      {"derivation", {"base", "error"}},
      {"exchange", {"base"}},
      {"sql", {"base", "error"}},
      {"contract", {"base", "error", "retention"}},
      {"retention", {"base", "exchange"}},
      {"backup", {"base", "error", "contract", "exchange", "retention", "sql"}},
      {"stream", {"base", "error", "contract", "retention"}},
      {"rpc", {"base", "error", "contract", "stream"}},
      {"exchange", {"base"}},
      {"evidence", {"base", "error", "contract", "crypto", "exchange"}},
      {"catalogue", {"base", "error"}},
      {"suggest", {"base", "error", "catalogue"}},
      {"boot", {"base", "error", "backup", "catalogue", "suggest", "crypto", "contract", "stream", "rpc"}},
  };
  std::vector<std::string> found;
  for (const Source& source : Sources()) {
    if (!StartsWith(source.path, "common/")) continue;
    const std::string folder = source.path.substr(7, source.path.find('/', 7) - 7);
    const auto rule = allowed.find(folder);
    if (rule == allowed.end()) {
      found.push_back("common/" + folder + " has no rule: add it to this test");
      continue;
    }
    for (const std::string& include : source.includes) {
      if (!StartsWith(include, "common/")) continue;
      const std::string other = include.substr(7, include.find('/', 7) - 7);
      if (other != folder && !rule->second.contains(other))
        found.push_back(source.path + " includes " + include);
    }
  }
  EXPECT_NONE(found, "common/ builds from base upwards; move the shared part down.");
}

TEST(HouseTest, OneFileReadsTheClock) {
  const std::regex clock(
      R"re(absl::Now\(|absl::GetCurrentTimeNanos|system_clock::now|\bgettimeofday\b|\bclock_gettime\(CLOCK_REALTIME|\btime\((NULL|nullptr|0)\))re");
  EXPECT_NONE(
      Lines(clock, [](const std::string& path) { return Product(path) && path != "common/base/clock.cc"; }),
      "Take `absl::Time now` as an argument; at the edge ask a `const Clock*` once.");
}

TEST(HouseTest, NobodySleeps) {
  const std::regex sleep(
      R"re(\bsleep_for\b|\bsleep_until\b|absl::SleepFor|\busleep\(|\bnanosleep\(|[^_:.>a-zA-Z]sleep\()re");
  const auto judged = [](const std::string& path) {
    // SQLite's busy handler has nothing to wait on; benchmarks pace their load, and tests/support polls
    // processes that cannot call back.
    return path != "common/sql/sqlite.cc" && !StartsWith(path, "tests/bench/") &&
           !StartsWith(path, "tests/crash/") && !StartsWith(path, "tests/netns/") &&
           !StartsWith(path, "tests/support/") && path != "tests/house_test/house_test.cc";
  };
  EXPECT_NONE(
      Lines(sleep, judged),
      "Wait for what you need: a condition, a stream, `Executor::PostAfter`, or a manual clock in tests.");
}

TEST(HouseTest, OneMutex) {
  const std::regex mutex(
      R"re(std::(recursive_|shared_|timed_)?mutex\b|absl::Mutex\b|std::condition_variable)re");
  EXPECT_NONE(
      Lines(mutex, [](const std::string& path) { return Product(path) && path != "common/base/mutex.h"; }),
      "Use Mutex and CondVar of common/base/mutex.h: clang checks their annotations, ThreadSanitizer their "
      "use.");
}

TEST(HouseTest, NothingThatAToolchainLacks) {
  const std::regex lacking(
      R"re(std::format\(|std::views::|std::ranges::views|std::source_location|absl/log/)re");
  EXPECT_NONE(
      Lines(lacking, [](const std::string& path) { return path != "tests/house_test/house_test.cc"; }),
      "GCC 12 or clang 14 cannot compile this: use absl::StrCat or fmt, ranges algorithms, spdlog at the "
      "edge.");
}

TEST(HouseTest, HeadersAreGuardedByTheirPath) {
  std::vector<std::string> found;
  for (const Source& source : Sources()) {
    if (!EndsWith(source.path, ".h")) continue;
    std::string guard;
    for (const char c : source.path) {
      guard += isalnum(static_cast<unsigned char>(c))
                   ? static_cast<char>(toupper(static_cast<unsigned char>(c)))
                   : '_';
    }
    guard += '_';
    if (std::find(source.lines.begin(), source.lines.end(), "#ifndef " + guard) == source.lines.end()) {
      found.push_back(source.path + " needs " + guard);
    }
  }
  EXPECT_NONE(found, "Guard each header with its path.");
}

TEST(HouseTest, HeadersSayWhatTheyAreFor) {
  std::vector<std::string> found;
  for (const std::string& path : Files()) {
    if (!Product(path) || !EndsWith(path, ".h")) continue;
    if (!StartsWith(ReadAll(fs::path(HOTLINE_SOURCE_DIR) / path), "//")) found.push_back(path);
  }
  EXPECT_NONE(found, "Begin the header with one comment that says what it is for: it is the manual.");
}

TEST(HouseTest, NothingIsLeftOpen) {
  // Put together here so that this file does not find itself.
  const std::regex open(std::string("\\b(TO") + "DO|FIX" + "ME|XX" + "X|HA" + "CK)\\b");
  std::vector<std::string> found;
  for (const std::string& path : Files()) {
    if (Contains(path, "/corpus/")) continue;
    const std::string content = ReadAll(fs::path(HOTLINE_SOURCE_DIR) / path);
    // A file with a NUL (a picture, a descriptor set) is no text: such a word stands in it by chance.
    if (Contains(content, std::string(1, '\0'))) continue;
    std::istringstream text(content);
    int number = 0;
    for (std::string line; std::getline(text, line);) {
      ++number;
      if (std::regex_search(line, open)) found.push_back(path + ":" + std::to_string(number) + ": " + line);
    }
  }
  EXPECT_NONE(found, "Do it, or write it in an issue.");
}

// In a shell with `pipefail` a pipeline fails with its writer, and whoever has read enough kills that, now
// and then.
TEST(HouseTest, NobodyClosesAPipeEarly) {
  const std::regex early(R"re([^|]\|&?\s*(grep\s+(-\S+\s+)*-[A-Za-z]*[qm]|head\b))re");
  EXPECT_TRUE(std::regex_search("ls | grep -iq x", early));
  EXPECT_TRUE(std::regex_search("ls | head -n 1)", early));
  EXPECT_FALSE(std::regex_search("grep -q x file || head -n 9 file", early));
  std::vector<std::string> found;
  int scripts = 0;
  for (const std::string& path : Files()) {
    const std::string text = ReadAll(fs::path(HOTLINE_SOURCE_DIR) / path);
    // setup.sh runs in the shells of those who source it.
    const bool script = StartsWith(text, "#!") && Contains(text.substr(0, text.find('\n')), "sh") &&
                        Contains(text, "pipefail");
    if (!script && path != "deploy/lib/setup.sh") continue;
    ++scripts;
    // A pipeline may go on in the next line.
    std::istringstream lines(std::regex_replace(text, std::regex("\\|[ \t]*\n"), "| "));
    for (std::string line; std::getline(lines, line);) {
      if (std::regex_search(line, early)) found.push_back(path + ": " + line);
    }
  }
  EXPECT_GT(scripts, 5);
  EXPECT_NONE(found,
              "Compare what the command says, [[ $(...) == *word* ]], or take the first line by `sed -n 1p`, "
              "which reads to the end.");
}

TEST(HouseTest, TopLevelIsFixed) {
  const std::set<std::string> agreed = {"CMakeLists.txt", "proto", "services",           "common",
                                        "deploy",         "tests", "docker-compose.yml", "README.md"};
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(HOTLINE_SOURCE_DIR)) {
    const std::string name = entry.path().filename().string();
    // Dot-files are agreed too; build folders and node_modules are ignored by git.
    if (name[0] == '.' || StartsWith(name, "build") || name == "node_modules" || agreed.contains(name))
      continue;
    found.push_back(name);
  }
  EXPECT_NONE(found, "Put it under proto, services, common, deploy or tests.");
}

TEST(HouseTest, EveryErrorReasonIsUsed) {
  const std::string proto =
      ReadAll(fs::path(HOTLINE_SOURCE_DIR) / "proto/hotline/type/v1/error_reason.proto");
  std::string product;
  for (const Source& source : Sources()) {
    if (!Product(source.path)) continue;
    for (const std::string& line : source.lines) product += line + "\n";
  }
  const std::regex value(R"re(\b(ERROR_REASON_[A-Z_]+)\s*=)re");
  std::vector<std::string> found;
  int reasons = 0;
  for (std::sregex_iterator it(proto.begin(), proto.end(), value), end; it != end; ++it) {
    const std::string name = (*it)[1];
    if (name == "ERROR_REASON_UNSPECIFIED") continue;
    ++reasons;
    bool used = false;
    for (size_t at = product.find(name); at != std::string::npos && !used; at = product.find(name, at + 1)) {
      const char after = product[at + name.size()];
      used = after != '_' && !isalnum(static_cast<unsigned char>(after));
    }
    if (!used) found.push_back(name);
  }
  EXPECT_GT(reasons, 20);
  EXPECT_NONE(found,
              "A reason nobody gives misleads clients: reserve its number and name in error_reason.proto.");
}

TEST(HouseTest, OneFileMapsErrorsToGrpc) {
  const std::regex make(R"re(\bgrpc::Status\s*\(\s*grpc::StatusCode::)re");
  const auto judged = [](const std::string& path) {
    // A client's own verdicts (hotlinectl) go to a person, not on the wire.
    return Product(path) && !StartsWith(path, "common/rpc/") && ServiceOf(path) != "hotlinectl";
  };
  EXPECT_NONE(Lines(make, judged),
              "Make an absl::Status by common/error/error.h; common/rpc puts it on the wire.");
}

// A formatter folds the rows of a table that are too long into one another.
TEST(HouseTest, TablesInCommentsHaveOneRowALine) {
  std::vector<std::string> folded;
  for (const std::string& path : Files()) {
    if (!EndsWith(path, ".cc") && !EndsWith(path, ".h")) continue;
    std::istringstream text(ReadAll(fs::path(HOTLINE_SOURCE_DIR) / path));
    int number = 0;
    for (std::string line; std::getline(text, line);) {
      ++number;
      const size_t bar = line.find("| |");
      const size_t comment = line.find("// ");
      if (bar == std::string::npos || comment == std::string::npos || comment > bar) continue;
      const bool row = line.compare(comment, 4, "// |") == 0;
      const bool ends = line.find_first_not_of(" |", bar) == std::string::npos;
      if (!row && !ends) folded.push_back(path + ":" + std::to_string(number) + ": " + line);
    }
  }
  EXPECT_NONE(folded, "Shorten the cells, and give each row a line.");
}

TEST(HouseTest, ReadmeNamesEveryMetricAndEveryKey) {
  const std::string readme = ReadAll(fs::path(HOTLINE_SOURCE_DIR) / "README.md");
  std::set<std::string> missing;
  const std::regex metric(R"re("(hotline_[a-z_]+)")re");
  for (const Source& source : Sources()) {
    if (!Edge(source.path)) continue;
    for (const std::string& line : source.lines) {
      std::smatch match;
      if (std::regex_search(line, match, metric) && !Contains(readme, "`" + match[1].str() + "`")) {
        missing.insert(source.path + " measures " + match[1].str());
      }
    }
  }
  const std::regex field(R"re(^\s+(?:repeated )?[\w.]+ (\w+) = \d+;)re");
  for (const char* proto : {"site.proto", "policy.proto", "calendar.proto"}) {
    std::istringstream text(ReadAll(fs::path(HOTLINE_SOURCE_DIR) / "proto/hotline/config/v1" / proto));
    for (std::string line; std::getline(text, line);) {
      std::smatch match;
      if (std::regex_search(line, match, field) && !Contains(readme, match[1].str())) {
        missing.insert(std::string(proto) + " has " + match[1].str());
      }
    }
  }
  EXPECT_TRUE(missing.empty()) << "Add it to the reference in README.md."
                               << Join({missing.begin(), missing.end()});
}

}  // namespace
