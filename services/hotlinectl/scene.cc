// refer-from-scene: what an officer on the spot found, with photos by reference.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "common/backup/backup.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/render.h"

namespace hotline::hotlinectl {
namespace {

constexpr size_t kHexDigits = 2 * kSha256Bytes;

// By the name's end; what is not known is left out.
std::string_view MediaTypeOf(std::string_view uri) {
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".jpg", "image/jpeg"},  {".jpeg", "image/jpeg"}, {".png", "image/png"},
      {".heic", "image/heic"}, {".mp4", "video/mp4"},   {".pdf", "application/pdf"}};
  const std::string lower = Dashed(uri);
  for (const auto& [end, type] : kTypes) {
    if (lower.ends_with(end)) return type;
  }
  return {};
}

// `URI=HEX` or `URI=FILE`.
std::optional<Failure> AddPhoto(std::string_view text, type::v1::OrderContent* content) {
  const size_t equals = text.rfind('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
    return Misuse(say::kBadPhoto);
  }
  const std::string proof(text.substr(equals + 1));
  type::v1::Attachment& photo = *content->add_attachments();
  photo.set_uri(std::string(text.substr(0, equals)));
  photo.set_media_type(std::string(MediaTypeOf(photo.uri())));
  if (proof.size() == kHexDigits &&
      proof.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos) {
    photo.set_sha256(absl::HexStringToBytes(proof));
    return std::nullopt;
  }
  // In pieces: a recording may be larger than the memory.
  std::error_code code;
  const uintmax_t size = std::filesystem::file_size(proof, code);
  const absl::StatusOr<std::string> digest = backup::DigestFile(proof);
  if (code || !digest.ok()) return Misuse(say::kCannotRead, proof);
  photo.set_size_bytes(static_cast<int64_t>(size));
  photo.set_sha256(absl::HexStringToBytes(*digest));
  return std::nullopt;
}

}  // namespace

int ReferFromScene(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  const Language language = console.language();
  auto form = FromFlags(session);
  if (!form.ok()) return console.Fail({.status = form.status()});
  dispatch::v1::ReferFromSceneRequest request;
  *request.mutable_header() = MakeHeader(session);
  if (arguments.operand.empty()) {
    *request.mutable_content() = std::move(*form->mutable_content());
    for (const std::string& photo : arguments.All("photo")) {
      if (auto failure = AddPhoto(photo, request.mutable_content()); failure) return console.Fail(*failure);
    }
  }
  auto& scene = *request.mutable_scene();
  scene.set_request(arguments.Word<type::v1::SceneRequest>("request"));
  scene.set_guidance(arguments.Text("guidance"));
  scene.set_asked_of(arguments.Text("asked-of"));
  scene.set_wanted_unit(arguments.Text("wanted-unit"));
  request.set_to_hotline(arguments.Text("to"));
  request.set_note(form->offer().note());
  absl::Duration wait;
  if (form->has_receipt_wait()) {
    *request.mutable_receipt_wait() = form->receipt_wait();
    wait = absl::Seconds(request.receipt_wait().seconds());
  }
  dispatch::v1::ReferFromSceneResponse response;
  if (auto failure = session.client.Call(&DispatchService::StubInterface::ReferFromScene, request, &response,
                                         std::max(Client::kDefaultTimeout, wait + absl::Seconds(5)));
      failure) {
    const bool awaited = request.content().urgency() == type::v1::URGENCY_EMERGENCY ||
                         scene.request() == type::v1::SCENE_REQUEST_BRING_UNIT;
    failure->telephone_required =
        IsUnsure(*failure) &&
        (awaited || (!arguments.operand.empty() && MayBeEmergency(session, arguments.operand)));
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else {
    const auto& handoff = response.push().order().handoff();
    console.OutLine(Say(language, say::kPushed, response.push().order().number(), handoff.from_hotline(),
                        handoff.to_hotline(), EnumLabel(language, response.push().status())));
    if (response.push().telephone_required())
      console.ErrLine(Say(language, say::kTelephoneHead), Colour::kRed);
  }
  return response.push().telephone_required() ? kExitTelephone : kExitOk;
}

}  // namespace hotline::hotlinectl
