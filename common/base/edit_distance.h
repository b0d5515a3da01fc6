// How far apart two words are, to tell a slip of the hand.
#ifndef COMMON_BASE_EDIT_DISTANCE_H_
#define COMMON_BASE_EDIT_DISTANCE_H_

#include <string_view>

namespace hotline {

// Fewest edits that turn `a` into `b`: insert, delete or replace a byte, or swap two neighbours, none of
// which is edited again (the optimal string alignment distance). Takes time by the product of the lengths:
// bound what strangers give.
int EditDistance(std::string_view a, std::string_view b);

}  // namespace hotline

#endif  // COMMON_BASE_EDIT_DISTANCE_H_
