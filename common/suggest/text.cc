#include "common/suggest/text.h"

#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/translit.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <memory>
#include <string_view>

namespace hotline::suggest {
namespace {

constexpr UChar32 kFirstHan = 0x3400;
constexpr UChar32 kLastHan = 0x9fff;

bool IsHan(UChar32 c) {
  return (c >= kFirstHan && c <= kLastHan) || (c >= 0x20000 && c <= 0x3ffff) ||
         (c >= 0xf900 && c <= 0xfaff) || c == 0x3007;
}

// Per character of the basic plane, so that reading a text needs no transliterator.
struct Tables {
  std::vector<char16_t> simplified;  // by code point - kFirstHan
  std::vector<uint16_t> sound;
};

// A sound as its letters in base 27, with what southern and western dialects merge merged.
uint16_t SoundOf(const icu::UnicodeString& line) {
  std::string letters;
  for (int i = 0; i < line.length(); ++i) {
    const char16_t c = line[i];
    if (c >= 'a' && c <= 'z')
      letters.push_back(static_cast<char>(c));
    else if (c == ' ' && !letters.empty())
      break;
  }
  if (letters.empty()) return 0;
  if (letters.size() > 1 && letters[1] == 'h' &&
      (letters[0] == 'z' || letters[0] == 'c' || letters[0] == 's'))
    letters.erase(1, 1);
  if (letters.size() > 2 && letters.ends_with("ng") &&
      (letters[letters.size() - 3] == 'i' || letters[letters.size() - 3] == 'e')) {
    letters.pop_back();
  }
  uint64_t hash = 7;
  for (const char c : letters) hash = Mix(hash, static_cast<uint64_t>(c));
  return static_cast<uint16_t>(hash % 65521 + 1);
}

Tables MakeTables() {
  Tables tables;
  const size_t count = kLastHan - kFirstHan + 1;
  tables.simplified.resize(count);
  tables.sound.resize(count);
  icu::UnicodeString all;
  for (UChar32 c = kFirstHan; c <= kLastHan; ++c) {
    tables.simplified[static_cast<size_t>(c - kFirstHan)] = static_cast<char16_t>(c);
    all.append(c).append(u'\n');
  }
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::Transliterator> simplify(
      icu::Transliterator::createInstance("Traditional-Simplified", UTRANS_FORWARD, status));
  if (U_SUCCESS(status) && simplify != nullptr) {
    icu::UnicodeString text = all;
    simplify->transliterate(text);
    // One line for each character; one that became several stays as it was.
    if (text.length() == all.length()) {
      for (size_t i = 0; i < count; ++i) tables.simplified[i] = text[static_cast<int>(2 * i)];
    }
  }
  status = U_ZERO_ERROR;
  const std::unique_ptr<icu::Transliterator> romanise(
      icu::Transliterator::createInstance("Han-Latin; Latin-ASCII; Lower", UTRANS_FORWARD, status));
  if (U_SUCCESS(status) && romanise != nullptr) {
    icu::UnicodeString text = all;
    romanise->transliterate(text);
    int from = 0;
    for (size_t i = 0; i < count && from < text.length(); ++i) {
      int to = text.indexOf(u'\n', from);
      if (to < 0) to = text.length();
      icu::UnicodeString line;
      text.extractBetween(from, to, line);
      tables.sound[i] = SoundOf(line.trim());
      from = to + 1;
    }
  }
  return tables;
}

const Tables& TheTables() {
  static const Tables tables = MakeTables();
  return tables;
}

uint16_t Sound(UChar32 c) {
  if (c < kFirstHan || c > kLastHan) return 0;
  return TheTables().sound[static_cast<size_t>(c - kFirstHan)];
}

// Collects letters and digits into words.
struct Word {
  uint64_t hash = 0;
  size_t length = 0;
  bool digits = false;
  uint32_t begin = 0;
  uint32_t end = 0;
};

void Flush(Word* word, std::vector<Token>* tokens) {
  if (word->length == 0) return;
  // Of a long number only that there is one counts: account and telephone numbers tell nothing.
  const uint64_t hash = word->digits && word->length > 5 ? 1 : word->hash;
  tokens->push_back({kWordBit | static_cast<uint32_t>(hash & 0x7fffffff), 0, word->begin, word->end});
  *word = {};
}

}  // namespace

Reader::Reader(const std::vector<std::pair<std::string, std::string>>& rewrites) {
  for (const auto& [from, to] : rewrites) {
    Text spelling;
    const std::vector<Token> key = Tokenise(from, &spelling);
    if (key.empty()) continue;
    uint64_t hash = 1;
    for (const Token& token : key) {
      hash = Mix(hash, token.id);
      rewrites_[hash];
    }
    Entry& entry = rewrites_[hash];
    entry.from = std::move(spelling);
    entry.to = {};
    entry.to.tokens = Tokenise(to, &entry.to);
    entry.whole = true;
  }
}

std::vector<Token> Reader::Tokenise(std::string_view utf8, Text* counts) const {
  static const icu::Normalizer2* const fold = [] {
    UErrorCode status = U_ZERO_ERROR;
    return icu::Normalizer2::getNFKCCasefoldInstance(status);
  }();
  const Tables& tables = TheTables();
  std::vector<Token> tokens;
  tokens.reserve(utf8.size() / 3 + 1);
  Word word;
  bool space = false;
  const auto boundary = [&](UChar32 mark, uint32_t begin, uint32_t end) {
    Flush(&word, &tokens);
    space = false;
    if (tokens.empty()) return;
    if (!tokens.back().boundary()) tokens.push_back({0, 0, begin, end});
    if (std::u32string_view(U"。!?；;\n").find(static_cast<char32_t>(mark)) != std::u32string_view::npos)
      tokens.back().sound = 1;
  };
  const auto take = [&](UChar32 c, uint32_t begin, uint32_t end) {
    if (IsHan(c)) {
      Flush(&word, &tokens);
      space = false;
      if (c >= kFirstHan && c <= kLastHan) c = tables.simplified[static_cast<size_t>(c - kFirstHan)];
      ++counts->han;
      tokens.push_back({static_cast<uint32_t>(c), Sound(c), begin, end});
      return;
    }
    if (u_isspace(c) && c != '\n') {
      Flush(&word, &tokens);
      space = true;
      return;
    }
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !u_isalpha(c)) {
      // Marks on letters (Arabic vowels) belong to their word.
      if (word.length > 0 && (u_getCombiningClass(c) != 0 || c == 0x200c || c == 0x200d || c == 0x640))
        return;
      boundary(c, begin, end);
      return;
    }
    // Between words of other scripts a space is a boundary for n-grams, as nothing is glued there.
    if (word.length > 0 && word.digits != digit) Flush(&word, &tokens);
    if (space && word.length == 0 && !tokens.empty() && (tokens.back().id & kWordBit) != 0)
      boundary(0, begin, begin);
    space = false;
    if (word.length == 0) word = {3, 0, digit, begin, end};
    word.hash = Mix(word.hash, static_cast<uint64_t>(c));
    ++word.length;
    word.end = end;
    if (!digit) ++(c < 0x250 ? counts->latin : counts->foreign);
  };
  const auto* bytes = reinterpret_cast<const uint8_t*>(utf8.data());
  const auto size = static_cast<int32_t>(std::min(utf8.size(), kMaxTextBytes));
  for (int32_t at = 0; at < size;) {
    const auto begin = static_cast<uint32_t>(at);
    UChar32 c;
    U8_NEXT(bytes, at, size, c);
    const auto end = static_cast<uint32_t>(at);
    if (c < 0) {
      boundary(0, begin, end);
    } else if (c < 0x80) {
      take(c >= 'A' && c <= 'Z' ? c + 32 : c, begin, end);
    } else if (c >= kFirstHan && c <= kLastHan) {
      take(c, begin, end);
    } else {
      UErrorCode status = U_ZERO_ERROR;
      const icu::UnicodeString folded = fold->normalize(icu::UnicodeString(c), status);
      if (U_FAILURE(status)) {
        boundary(0, begin, end);
        continue;
      }
      for (int32_t i = 0; i < folded.length(); i = folded.moveIndex32(i, 1))
        take(folded.char32At(i), begin, end);
    }
  }
  Flush(&word, &tokens);
  if (!tokens.empty() && tokens.back().boundary()) tokens.pop_back();
  return tokens;
}

void Reader::Rewrite(std::vector<Token>* tokens, Text* counts) const {
  std::vector<Token> result;
  result.reserve(tokens->size());
  for (size_t i = 0; i < tokens->size();) {
    uint64_t hash = 1;
    const Entry* best = nullptr;
    size_t best_end = i;
    for (size_t j = i; j < tokens->size(); ++j) {
      hash = Mix(hash, (*tokens)[j].id);
      const auto found = rewrites_.find(hash);
      if (found == rewrites_.end()) break;
      if (found->second.whole) {
        best = &found->second;
        best_end = j + 1;
      }
    }
    if (best == nullptr) {
      result.push_back((*tokens)[i++]);
      continue;
    }
    counts->han += best->to.han - best->from.han;
    counts->latin += best->to.latin - best->from.latin;
    if (best->to.han > best->from.han) {
      counts->spelled += best->from.latin;
      counts->spelled_han += best->to.han - best->from.han;
    }
    counts->foreign += best->to.foreign - best->from.foreign;
    for (Token token : best->to.tokens) {
      token.begin = (*tokens)[i].begin;
      token.end = (*tokens)[best_end - 1].end;
      result.push_back(token);
    }
    i = best_end;
  }
  *tokens = std::move(result);
}

Text Reader::Read(std::string_view utf8) const {
  Text text;
  std::vector<Token> tokens = Tokenise(utf8, &text);
  Rewrite(&tokens, &text);
  size_t repeats = 0;
  for (const Token& token : tokens) {
    repeats =
        !text.tokens.empty() && !token.boundary() && text.tokens.back().id == token.id ? repeats + 1 : 0;
    if (repeats < 2) text.tokens.push_back(token);
  }
  if (text.tokens.size() > kMaxTokens) {
    text.cut = true;
    const auto half = static_cast<std::ptrdiff_t>(kMaxTokens / 2);
    text.tokens.erase(text.tokens.begin() + half, text.tokens.end() - half);
    // What was apart must not read as one.
    text.tokens[static_cast<size_t>(half)] = {0, 1, text.tokens[static_cast<size_t>(half)].begin,
                                              text.tokens[static_cast<size_t>(half)].end};
  }
  return text;
}

Text OnlyHan(const Text& text) {
  Text han;
  han.han = text.han;
  han.cut = text.cut;
  for (const Token& token : text.tokens) {
    const bool word = (token.id & kWordBit) != 0;
    if (!word && !token.boundary()) {
      han.tokens.push_back(token);
    } else if (!han.tokens.empty()) {
      if (!han.tokens.back().boundary()) han.tokens.push_back({0, 0, token.begin, token.end});
      if (word || token.sentence_end()) han.tokens.back().sound = 1;
    }
  }
  if (!han.tokens.empty() && han.tokens.back().boundary()) han.tokens.pop_back();
  return han;
}

bool AllHan(std::string_view utf8) {
  const auto length = static_cast<int32_t>(utf8.size());
  for (int32_t at = 0; at < length;) {
    UChar32 c = 0;
    U8_NEXT(utf8.data(), at, length, c);
    if (c < 0 || !IsHan(c)) return false;
  }
  return true;
}

std::vector<std::pair<uint32_t, uint32_t>> Words(std::span<const Token> tokens) {
  // An iterator is not to be shared by threads; a clone costs more than a text.
  thread_local const std::unique_ptr<icu::BreakIterator> iterator = [] {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<icu::BreakIterator> made(
        icu::BreakIterator::createWordInstance(icu::Locale::getChina(), status));
    if (U_FAILURE(status)) made.reset();
    return made;
  }();
  std::vector<std::pair<uint32_t, uint32_t>> words;
  if (iterator == nullptr) return words;
  icu::UnicodeString text;
  // Of each code unit, the token it stands for.
  std::vector<uint32_t> token_of;
  for (uint32_t i = 0; i < tokens.size(); ++i) {
    const uint32_t id = tokens[i].id;
    // Spaces in a row are one word to ICU, so what ends a clause must not look like a word of letters.
    const UChar32 c = id == 0 ? U' ' : (id & kWordBit) != 0 ? U'x' : static_cast<UChar32>(id);
    text.append(c);
    token_of.resize(static_cast<size_t>(text.length()), i);
  }
  iterator->setText(text);
  int32_t from = iterator->first();
  for (int32_t to = iterator->next(); to != icu::BreakIterator::DONE; from = to, to = iterator->next()) {
    const uint32_t begin = token_of[static_cast<size_t>(from)];
    const uint32_t end = token_of[static_cast<size_t>(to - 1)] + 1;
    if (!tokens[begin].boundary()) words.emplace_back(begin, end);
  }
  // The iterator must not keep looking at `text`.
  static const icu::UnicodeString nothing;
  iterator->setText(nothing);
  return words;
}

}  // namespace hotline::suggest
