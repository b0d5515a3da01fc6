// What codes are called in papers for people: by the site's lists, and by the directory of people over them,
// in which units are renamed and added while the site runs. Pure.
#ifndef SERVICES_ESCALATION_REPORT_CORE_NAMES_H_
#define SERVICES_ESCALATION_REPORT_CORE_NAMES_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "hotline/type/v1/command.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "services/escalation/directory/core/directory.h"

namespace hotline::escalation::report {

struct Names {
  std::string site;  // this hotline's code
  // Units and hotlines by code.
  std::map<std::string, std::string, std::less<>> parties;
  // The units are among them, not the hotlines alone.
  bool has_units = false;
  // Townships by their 9 digits.
  std::map<std::string, std::string, std::less<>> townships;

  // The name, or the code where there is none; `—` for nothing.
  std::string Party(const std::string& code) const;
  std::string Township(const std::string& code) const;
  // A unit is called so; a township is, too, if one of `aliases` is its code.
  template <typename Aliases>
  void Add(const std::string& code, const std::string& name, const Aliases& aliases) {
    parties[code] = name.empty() ? code : name;
    for (const std::string& alias : aliases) {
      if (IsTownshipCode(alias)) townships[alias] = parties[code];
    }
  }
  static bool IsTownshipCode(std::string_view text);
};

// `names`, with those of the directory's units instead of what they were called before.
Names WithDirectory(Names names, const directory::Directory& directory);

// What holds at the moment: the same always, or whatever a function says. Copyable, thread-safe if the
// function is.
class NamesNow {
 public:
  // `fixed` outlives it.
  NamesNow(const Names* fixed) : fixed_(fixed) {}  // NOLINT: what does not change is a source too
  explicit NamesNow(std::function<std::shared_ptr<const Names>()> source) : source_(std::move(source)) {}

  std::shared_ptr<const Names> Get() const {
    return fixed_ != nullptr ? std::shared_ptr<const Names>(std::shared_ptr<void>(), fixed_) : source_();
  }

 private:
  const Names* fixed_ = nullptr;
  std::function<std::shared_ptr<const Names>()> source_;
};

// Words of the trade.
std::string ClockZh(type::v1::ClockKind clock);
std::string RungZh(type::v1::Rung rung);
std::string TypeZh(type::v1::OrderType type);
std::string UrgencyZh(type::v1::Urgency urgency);
std::string ChannelZh(type::v1::Channel channel);
std::string GroundZh(type::v1::ReturnGround ground);

}  // namespace hotline::escalation::report

#endif  // SERVICES_ESCALATION_REPORT_CORE_NAMES_H_
