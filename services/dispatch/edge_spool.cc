#include "services/dispatch/edge_spool.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/boot/log.h"
#include "services/dispatch/link.h"

namespace hotline::dispatch {
namespace {

SpoolOptions ToOptions(const std::string& hotline, const config::v1::PeerConfig& peer) {
  const config::v1::SpoolConfig& spool = peer.spool();
  SpoolOptions options;
  options.hotline = hotline;
  options.peer = peer.hotline();
  options.out_directory = spool.out_directory();
  options.in_directory = spool.in_directory();
  options.max_bundle_bytes = spool.max_bundle_bytes();
  options.quota_bytes = spool.quota_bytes();
  options.scan_interval = absl::Milliseconds(spool.scan_interval_ms());
  options.resend_after = absl::Seconds(spool.resend_after_s());
  options.supported_versions = {kProtocolVersion};
  options.on_reject = [peer = options.peer](const std::string& name, Reject why, const absl::Status& detail) {
    // A foreign file's name can say anything, also about persons.
    const bool ours = ParseFileName(name).has_value();
    log::Warn("bundle put aside", {{"peer", peer},
                                   {"file", ours ? std::string_view(name) : "no bundle's name"},
                                   {"reason", kRejectNames[static_cast<int>(why)]},
                                   {"detail", ToStd(detail.message())}});
  };
  options.on_trouble = [peer = options.peer](const absl::Status& trouble) {
    if (trouble.ok()) {
      log::Info("spool works", {{"peer", peer}});
    } else {
      log::Error("spool cannot be used", {{"peer", peer}, {"error", ToStd(trouble.message())}});
    }
  };
  return options;
}

}  // namespace

Spools::Spools(boot::Environment* environment) : environment_(environment) {}

Peer* Spools::Add(const config::v1::PeerConfig& peer, const Notary* notary) {
  const boot::LoadedSite& site = *environment_->site;
  SpoolOptions options = ToOptions(site.site.hotline(), peer);
  options.capabilities = Capabilities(notary->signer(environment_->clock->Now()));
  options.sign_receipt = [notary, to = options.peer](exchange::v1::LinkReceipt* receipt, absl::Time now) {
    return notary->SignReceipt(to, receipt, now);
  };
  sealers_.push_back(
      std::make_unique<KeySealer>(&site.signing, &site.keys, site.site.hotline(), peer.hotline()));
  peers_.push_back(
      std::make_unique<SpoolPeer>(files_.get(), sealers_.back().get(), &loop_, environment_->clock, options));
  options_.push_back(std::move(options));
  return peers_.back().get();
}

void Spools::Start(Peer* local) {
  for (size_t i = 0; i < peers_.size(); ++i) {
    inboxes_.push_back(std::make_unique<SpoolInbox>(files_.get(), sealers_[i].get(), peers_[i].get(), local,
                                                    &loop_, environment_->clock, options_[i]));
    inboxes_.back()->Start();
  }
}

void Spools::Drain() {
  for (const auto& inbox : inboxes_) inbox->Stop();
}

void Spools::Measure() {
  if (peers_.empty()) return;
  prometheus::Registry& registry = environment_->metrics->registry();
  const auto gauge = [&registry](const char* name,
                                 const char* help) -> prometheus::Family<prometheus::Gauge>& {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  };
  const auto total = [&registry](const char* name,
                                 const char* help) -> prometheus::Family<prometheus::Counter>& {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  };
  auto& written = total("hotline_spool_bundles_written_total", "Bundles written for the peer.");
  auto& written_bytes = total("hotline_spool_written_bytes_total", "Bytes of them.");
  auto& read = total("hotline_spool_bundles_read_total",
                     "Valid bundles of the peer that were read, repeats included.");
  auto& read_bytes = total("hotline_spool_read_bytes_total", "Bytes of them.");
  auto& doubled = total("hotline_spool_bundles_doubled_total", "Bundles that had been read before.");
  auto& rejected = total("hotline_spool_bundles_rejected_total", "Files that were put aside.");
  auto& out_files = gauge("hotline_spool_out_files", "Files in the directory out.");
  auto& out_bytes = gauge("hotline_spool_out_bytes", "Bytes of them.");
  auto& oldest =
      gauge("hotline_spool_oldest_out_seconds", "Age of the oldest bundle there; 0 if there is none.");
  auto& in_files = gauge("hotline_spool_in_files", "Files in the directory in, as of the last look.");
  auto& held = gauge("hotline_spool_held_files", "Bundles there that wait for an earlier one.");
  auto& known =
      gauge("hotline_spool_peer_known_time_seconds",
            "The peer's clock when it wrote its newest bundle that was read, since 1970; 0 if none.");
  for (size_t i = 0; i < peers_.size(); ++i) {
    const std::string& peer = options_[i].peer;
    const prometheus::Labels labels = {{"peer", peer}};
    std::vector<prometheus::Counter*> rejects;
    for (const std::string_view reason : kRejectNames) {
      rejects.push_back(&rejected.Add({{"peer", peer}, {"reason", std::string(reason)}}));
    }
    environment_->metrics->OnScrape(
        [peer = peers_[i].get(), clock = environment_->clock, rejects = std::move(rejects),
         &written = written.Add(labels), &written_bytes = written_bytes.Add(labels), &read = read.Add(labels),
         &read_bytes = read_bytes.Add(labels), &doubled = doubled.Add(labels),
         &out_files = out_files.Add(labels), &out_bytes = out_bytes.Add(labels), &oldest = oldest.Add(labels),
         &in_files = in_files.Add(labels), &held = held.Add(labels), &known = known.Add(labels)] {
          const auto raise = [](prometheus::Counter& counter, int64_t value) {
            counter.Increment(std::max(0.0, static_cast<double>(value) - counter.Value()));
          };
          const SpoolCounters& counters = peer->counters();
          raise(written, counters.bundles_written);
          raise(written_bytes, counters.bytes_written);
          raise(read, counters.bundles_read);
          raise(read_bytes, counters.bytes_read);
          raise(doubled, counters.bundles_doubled);
          for (size_t reason = 0; reason < rejects.size(); ++reason) {
            raise(*rejects[reason], counters.rejected[reason]);
          }
          const SpoolStatus status = peer->status();
          out_files.Set(static_cast<double>(status.out_files));
          out_bytes.Set(static_cast<double>(status.out_bytes));
          oldest.Set(status.oldest_out_time == absl::InfiniteFuture()
                         ? 0
                         : std::max(0.0, absl::ToDoubleSeconds(clock->Now() - status.oldest_out_time)));
          in_files.Set(static_cast<double>(status.in_files));
          held.Set(static_cast<double>(status.held_files));
          known.Set(status.known_time == absl::InfinitePast()
                        ? 0
                        : absl::ToDoubleSeconds(status.known_time - absl::UnixEpoch()));
        });
  }
}

}  // namespace hotline::dispatch
