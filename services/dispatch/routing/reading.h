// What a text says before any rule: the part of routing that reads language, as an interface.
#ifndef SERVICES_DISPATCH_ROUTING_READING_H_
#define SERVICES_DISPATCH_ROUTING_READING_H_

#include <string>
#include <string_view>
#include <vector>

#include "common/catalogue/catalogue.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::dispatch::routing {

// Words that speak for something.
struct ReadWord {
  std::string text;     // as they stand in the source
  int begin = -1;       // in code points; -1: they do not stand there as they are
  std::string meaning;  // in Chinese
  double weight = 0;    // 0 to 1
};

// An item that the text may be of.
struct ReadItem {
  std::string code;
  double probability = 0;
  std::vector<ReadWord> words;  // heaviest first
};

// A clause of the annex that took the matter out of an item.
struct ReadExclusion {
  std::string item;
  const config::v1::Exclusion* exclusion = nullptr;  // of the catalogue that was read by
  ReadWord word;                                     // that shows it
  std::string instead_item;                          // empty: it is not accepted
  std::string note;                                  // in one line, in Chinese
};

enum class Verdict { kHotline, kUnclear, kNeither };

struct Reading {
  Verdict verdict = Verdict::kUnclear;
  // With kHotline: its code.
  std::string hotline;
  // Probability that verdict and hotline are right.
  double confidence = 0;
  // Danger now.
  bool emergency = false;
  // A threat or another clue touching social stability.
  bool stability_clue = false;
  // Best first, at most 10.
  std::vector<ReadItem> items;
  // Words that decided the verdict, heaviest first.
  std::vector<ReadWord> words;
  // Clauses that applied.
  std::vector<ReadExclusion> exclusions;
  // What would decide an unclear text, in Chinese. May be empty.
  std::string question;
};

// Where a text comes from.
struct Source {
  std::string_view text;
  type::v1::Channel channel = type::v1::CHANNEL_UNSPECIFIED;
  // Code of the hotline that received it.
  std::string_view received_by;
  // A person says that nobody is in danger: then there is no emergency, and verdict, items and confidence are
  // those of a matter without danger.
  bool no_danger = false;
  // Without it the words of the reading and of its items may be left out: they cost more than the verdict.
  bool explain = true;
};

// Thread-safe. Once it is prepared it does not block and takes milliseconds at most.
class TextReader {
 public:
  virtual ~TextReader() = default;
  // Does what the first Read would otherwise have to do, seconds of work perhaps. Any number of calls do it
  // once. Where the process goes down it may be left undone.
  virtual void Prepare() const {}
  // False: until it is prepared, Read answers at once by something simpler.
  virtual bool IsPrepared() const { return true; }
  // A digest of all that it is made from: two with the same one read alike. Empty: it is cheap to make.
  virtual std::string MadeFrom() const { return {}; }
  // By the items of `catalogue` that hold on `day`. Any bytes will do.
  virtual Reading Read(const catalogue::Catalogue& catalogue, absl::CivilDay day,
                       const Source& source) const = 0;
};

}  // namespace hotline::dispatch::routing

#endif  // SERVICES_DISPATCH_ROUTING_READING_H_
