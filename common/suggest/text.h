// What a caller said, as the model reads it: one token for each Chinese character and for each word or number
// of other scripts.
#ifndef COMMON_SUGGEST_TEXT_H_
#define COMMON_SUGGEST_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace hotline::suggest {

// Longer texts keep their first and last halves: who rambles says what happened at the start or at the end.
inline constexpr size_t kMaxTokens = 1000;
// Bytes beyond these are not looked at (before the middle is left out).
inline constexpr size_t kMaxTextBytes = 64 * 1024;

struct Token {
  // A Han code point; `kWordBit` and a hash for a word or number; 0 for a mark that ends a clause.
  uint32_t id = 0;
  // Toneless pinyin with what dialects merge merged (zh=z, ing=in); 0 if it has none. Homophones are equal.
  // Of a mark: 1 if it ends a sentence.
  uint16_t sound = 0;
  // Bytes of the source it stands for.
  uint32_t begin = 0;
  uint32_t end = 0;

  bool boundary() const { return id == 0; }
  bool sentence_end() const { return id == 0 && sound != 0; }
};
inline constexpr uint32_t kWordBit = 0x80000000;

struct Text {
  std::vector<Token> tokens;
  // Letters by script; of a word each letter counts.
  // A spelling counts as what it is read as.
  size_t han = 0;
  size_t latin = 0;
  // Arabic, Cyrillic, kana, hangul, …
  size_t foreign = 0;
  // Latin letters that were read as Chinese, and how much of `han` they made.
  size_t spelled = 0;
  size_t spelled_han = 0;
  bool cut = false;
};

// Reads texts. Immutable; any number of threads may share it.
class Reader {
 public:
  // `rewrites` are pairs of a spelling and what it is read as.
  explicit Reader(const std::vector<std::pair<std::string, std::string>>& rewrites);

  // Any bytes will do: malformed UTF-8 and control characters end a clause. Compatibility forms (full width)
  // and case are folded (NFKC_Casefold), traditional characters become simplified ones, numbers of more than
  // five digits become one token, more than two repeats become two, and spaces between Chinese characters
  // vanish.
  Text Read(std::string_view utf8) const;

 private:
  std::vector<Token> Tokenise(std::string_view utf8, Text* counts) const;
  // Takes the letters of a spelling off `counts` and adds those of what it is read as.
  void Rewrite(std::vector<Token>* tokens, Text* counts) const;

  // By the hash of a sequence of ids; an entry that is not whole is a beginning of longer ones.
  struct Entry {
    Text from;  // the counts alone
    Text to;
    bool whole = false;
  };
  absl::flat_hash_map<uint64_t, Entry> rewrites_;
};

// The Chinese of a text: each word of another script becomes the end of a sentence.
Text OnlyHan(const Text& text);

// Whether there are Chinese characters alone.
bool AllHan(std::string_view utf8);

// Where the words of `tokens` begin and end (ICU's word break for Chinese): pairs of indexes, boundaries left
// out.
std::vector<std::pair<uint32_t, uint32_t>> Words(std::span<const Token> tokens);

// Mixes a value into a hash; the same on every machine.
constexpr uint64_t Mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ULL + (hash << 6) + (hash >> 2);
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93ULL;
  return hash ^ (hash >> 29);
}

}  // namespace hotline::suggest

#endif  // COMMON_SUGGEST_TEXT_H_
