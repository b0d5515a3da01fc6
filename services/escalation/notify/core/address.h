// Which addresses a webhook may be sent to: those of the public internet. Pure.
#ifndef SERVICES_ESCALATION_NOTIFY_CORE_ADDRESS_H_
#define SERVICES_ESCALATION_NOTIFY_CORE_ADDRESS_H_

#include <string_view>

namespace hotline::escalation::notify {

// `bytes`: an IPv4 (4 bytes) or IPv6 (16 bytes) address in network order. False for anything else, and for
// what the registries of IANA (RFC 6890) do not call globally reachable: this host, private and shared
// networks, link-local (where clouds keep their metadata), multicast, documentation, reserved; likewise an
// IPv6 address that stands for such an IPv4 one (mapped, translated, 6to4, Teredo).
bool IsPublicAddress(std::string_view bytes);

}  // namespace hotline::escalation::notify

#endif  // SERVICES_ESCALATION_NOTIFY_CORE_ADDRESS_H_
