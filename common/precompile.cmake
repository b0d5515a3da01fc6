# Precompiled headers. Two thirds of a translation unit is the parsing of generated protobuf, gRPC and GoogleTest
# headers; parsed once for all targets of a kind, the whole build takes about half the time.
#
# hotline_precompile() is called after all targets are known. A target's kind is what it links: messages, or
# messages and gRPC, each with or without GoogleTest. Nothing relies on it: HOTLINE_PCH=OFF builds the same, and
# is the way to see that each file includes what it uses, or to share a compiler cache between checkouts.

set(hotline_pch_common
    <algorithm> <array> <atomic> <chrono> <cstdint> <deque> <filesystem> <fstream> <functional> <iterator> <limits>
    <map> <memory> <optional> <set> <sstream> <string> <string_view> <thread> <utility> <vector>
    <absl/functional/any_invocable.h> <absl/status/status.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
    <absl/strings/str_format.h> <absl/time/time.h> <hotline/exchange/v1/exchange_service.pb.h>
    <hotline/type/v1/command.pb.h> <hotline/type/v1/event.pb.h> <hotline/type/v1/work_order.pb.h>
    <hotline/workorder/v1/ledger_service.pb.h> <hotline/workorder/v1/work_order_service.pb.h>)
set(hotline_pch_rpc
    <grpcpp/grpcpp.h> <hotline/dispatch/v1/dispatch_service.grpc.pb.h>
    <hotline/escalation/v1/escalation_service.grpc.pb.h> <hotline/exchange/v1/exchange_service.grpc.pb.h>
    <hotline/workorder/v1/ledger_service.grpc.pb.h> <hotline/workorder/v1/work_order_service.grpc.pb.h>)
set(hotline_pch_test <gmock/gmock.h> <gtest/gtest.h>)
# GCC 12 takes what is inlined from a standard header for code of ours if it came by a precompiled one, and tells its
# known false alarms of strings. Without, they count.
set(hotline_pch_options -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)

# All that `target` links, directly or not.
function(hotline_links_of target out)
  set(seen)
  set(waiting ${target})
  while(waiting)
    list(POP_FRONT waiting next)
    if(next IN_LIST seen)
      continue()
    endif()
    list(APPEND seen ${next})
    if(TARGET ${next})
      get_target_property(type ${next} TYPE)
      set(properties INTERFACE_LINK_LIBRARIES)
      if(NOT type STREQUAL "INTERFACE_LIBRARY")
        list(APPEND properties LINK_LIBRARIES)
      endif()
      foreach(property IN LISTS properties)
        get_target_property(links ${next} ${property})
        if(links)
          list(APPEND waiting ${links})
        endif()
      endforeach()
    endif()
  endwhile()
  set(${out} ${seen} PARENT_SCOPE)
endfunction()

function(hotline_targets_below folder out)
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  get_property(folders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  foreach(sub IN LISTS folders)
    hotline_targets_below(${sub} more)
    list(APPEND targets ${more})
  endforeach()
  set(${out} ${targets} PARENT_SCOPE)
endfunction()

function(hotline_precompile)
  # One header for all of a kind wants the same -pthread in all.
  target_link_libraries(hotline_flags INTERFACE Threads::Threads)
  file(WRITE ${CMAKE_BINARY_DIR}/precompile.cc "")
  foreach(kind messages messages_test rpc rpc_test)
    add_library(hotline_pch_${kind} OBJECT EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/precompile.cc)
    set(headers ${hotline_pch_common})
    target_link_libraries(hotline_pch_${kind} PRIVATE hotline_flags hotline_messages absl::strings)
    if(kind MATCHES "rpc")
      list(APPEND headers ${hotline_pch_rpc})
      target_link_libraries(hotline_pch_${kind} PRIVATE hotline_stubs)
    endif()
    if(kind MATCHES "test")
      list(APPEND headers ${hotline_pch_test})
      target_link_libraries(hotline_pch_${kind} PRIVATE GTest::gtest GTest::gmock)
    endif()
    target_precompile_headers(hotline_pch_${kind} PRIVATE ${headers})
    target_compile_options(hotline_pch_${kind} PRIVATE ${hotline_pch_options})
  endforeach()
  hotline_targets_below(${CMAKE_SOURCE_DIR} targets)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    if(target MATCHES "^hotline_(pch_|messages$|stubs$)" OR NOT type MATCHES "^(STATIC_LIBRARY|EXECUTABLE)$")
      continue()
    endif()
    hotline_links_of(${target} links)
    # With other options than the header's the compiler would not take it.
    get_target_property(own ${target} COMPILE_OPTIONS)
    if(own OR NOT "hotline_flags" IN_LIST links OR NOT "hotline_messages" IN_LIST links)
      continue()
    endif()
    set(kind messages)
    if("hotline_stubs" IN_LIST links)
      set(kind rpc)
    endif()
    if("GTest::gtest" IN_LIST links)
      string(APPEND kind _test)
    endif()
    target_precompile_headers(${target} REUSE_FROM hotline_pch_${kind})
    target_compile_options(${target} PRIVATE ${hotline_pch_options})
  endforeach()
endfunction()
