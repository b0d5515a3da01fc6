// What codes are called in papers for people. Pure data, made once from the configuration.
#ifndef SERVICES_ESCALATION_REPORT_CORE_NAMES_H_
#define SERVICES_ESCALATION_REPORT_CORE_NAMES_H_

#include <map>
#include <string>

#include "hotline/type/v1/command.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::escalation::report {

struct Names {
  std::string site;  // this hotline's code
  // Units and hotlines by code.
  std::map<std::string, std::string, std::less<>> parties;
  // Townships by their 9 digits.
  std::map<std::string, std::string, std::less<>> townships;

  // The name, or the code where there is none; `—` for nothing.
  std::string Party(const std::string& code) const;
  std::string Township(const std::string& code) const;
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
