// The command line as data: the commands and their flags in one table, and its reading. Pure; help and shell
// completion are made from the same table.
#ifndef SERVICES_HOTLINECTL_CORE_ARGUMENTS_H_
#define SERVICES_HOTLINECTL_CORE_ARGUMENTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotline/type/v1/actor.pb.h"
#include "services/hotlinectl/core/flag.h"
#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl {

enum class CommandId {
  kPush,
  kRegister,
  kShow,
  kList,
  kWatch,
  kAccept,
  kReturn,
  kRecall,
  kConfirm,
  kReferFromScene,
  kArrival,
  kSimilar,
  kMerge,
  kUnmerge,
  kPartners,
  kDispatch,
  kSign,
  kProgress,
  kFinish,
  kCallback,
  kRedo,
  kClose,
  kCancel,
  kSuspend,
  kResume,
  kExtend,
  kArchive,
  kDispute,
  kRule,
  kReopen,
  kContact,
  kAskExtension,
  kDecideExtension,
  kUnitReturn,
  kReassign,
  kAccuse,
  kAcknowledge,
  kExplain,
  kLedger,
  kPolicy,
  kCalendar,
  kCustody,
  kDeadlines,
  kLinks,
  kLink,
  kVerify,
  kEvidence,
  kDirectory,
  kNotifications,
  kScorecard,
  kLamps,
  kOverdue,
  kDueSoon,
  kDocument,
  kMeeting,
  kCatalogue,
  kSuggest,
  kHealth,
  kDoctor,
  kBackup,
  kHold,
  kRetention,
  kCompletion,
  kHelp,
};

// What stands behind the command's name.
// kPolicy: `preview`, `publish` or `list`. kCalendar: `preview` or `publish` and files, or `list`.
// kDirectory, kNotifications: what to do, and perhaps on what. kEvidence: `export` and an order, or `verify`
// and a file. kActionAndOrder: `push` or `list`, and an order.
// kMeeting: `docket` or `pack`, or `rule` or `proposal` and an item.
// kOperation: an action, and perhaps a name, a folder or an order.
// kSuggest: a text, or `evaluate`, or `examples` and `export`.
// kCatalogue: an action, and what it is about: an item, or two versions or files.
enum class Operand {
  kNone,
  kOrder,
  kOptionalOrder,
  kShell,
  kOptionalCommand,
  kEvidence,
  kActionAndOrder,
  kPolicy,
  kCalendar,
  kLink,
  kDirectory,
  kNotifications,
  kMeeting,
  kCatalogue,
  kSuggest,
  kOperation
};

struct CommandSpec {
  CommandId id;
  std::string_view name;
  Phrase help;
  Operand operand = Operand::kNone;
  std::vector<FlagSpec> flags;
};

const std::vector<CommandSpec>& Commands();
const std::vector<FlagSpec>& GlobalFlags();
// Null if there is none.
const CommandSpec* FindCommand(std::string_view name);

// What a command that does several things can do, as they are written; empty if it does one.
std::vector<std::string> ActionsOf(const CommandSpec& command);
// Names of the command's flags that go with `action`, one of those.
std::vector<std::string> FlagsOf(const CommandSpec& command, std::string_view action);

// What a service gives of a list at once.
inline constexpr int32_t kMaxPage = 500;

// A command line that was read and found in order: known flags, fitting values, required flags and operands
// there.
class Arguments {
 public:
  const CommandSpec* command = nullptr;
  // What to do, where a command does several things: `export`, `push`.
  std::string action;
  // The order, the file, the shell or the command to explain; empty if left out.
  std::string operand;
  // What follows it: the peer of `link`, the second version of `catalogue diff`; empty if left out.
  std::string peer;
  // All that follows the action of `calendar`: files.
  std::vector<std::string> files;
  // `--help` was given: explain `command`, or everything if it is null.
  bool help = false;

  // Global flags, with what the environment and the defaults fill in.
  Language language = Language::kEnglish;
  // A site was named, by `--site` or an address of dispatch.
  bool site_named = false;
  // An address of the service was named, by `--site`, a flag or the environment.
  bool work_order_named = false;
  bool escalation_named = false;
  std::string dispatch;
  std::string work_order;
  std::string escalation;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  bool insecure = false;
  bool json = false;
  std::string account;
  // Unit that the account works for; empty for a hotline's own desk.
  std::string for_unit;
  std::optional<absl::Duration> timeout;

  // Flags of the command, by name.
  bool Has(std::string_view flag) const { return values.contains(flag); }
  // The value, or empty.
  const std::string& Text(std::string_view flag) const;
  // All values of a repeated flag.
  const std::vector<std::string>& All(std::string_view flag) const;
  int64_t Integer(std::string_view flag, int64_t fallback) const;
  // `--limit` of a list that comes in one page: 1 to kMaxPage, 0 as that.
  int32_t PageLimit(int32_t fallback) const;
  std::optional<absl::Time> Time(std::string_view flag, absl::Time now) const;
  // The enum's value, or its zero.
  template <typename Enum>
  Enum Word(std::string_view flag) const {
    const auto number = ParseEnumWord(*google::protobuf::GetEnumDescriptor<Enum>(), Text(flag));
    return static_cast<Enum>(number.value_or(0));
  }

  std::map<std::string, std::vector<std::string>, std::less<>> values;
};

// Who acts: the account, and the unit that it works for. `return` and `ask-extension` may name another unit
// (`--unit`); with other commands that flag names who is to work.
type::v1::Actor ActorOf(const Arguments& arguments);

// An environment variable, or empty.
using Environment = std::function<std::string(const std::string& name)>;

// The language that `environment` (LC_ALL, then LC_MESSAGES, then LANG) asks for.
Language LanguageOf(const Environment& environment);

// Reads `arguments`, without the program's name. Errors: INVALID_ARGUMENT with a message in the user's
// language and nothing else: wrong use. `*language` is set even then.
absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& arguments,
                                         const Environment& environment, Language* language);

// `hotlinectl help`, and `hotlinectl help COMMAND`.
std::string HelpText(Language language);
std::string CommandHelpText(const CommandSpec& command, Language language);

// A completion script. `shell` is `bash` or `zsh`.
std::string CompletionScript(std::string_view shell, Language language);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_ARGUMENTS_H_
