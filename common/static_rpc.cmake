# gRPC, Protobuf and Abseil are linked into each program instead of loaded with it.
#
# Debian's shared libraries reach each other, and themselves, through tables that the loader fills. A small call passes some
# thousands of such jumps: linked in, a handoff costs a tenth less CPU. The libraries are Debian's own packages either way;
# what is lost is that an update of a package reaches a program without building it again.
function(hotline_link_rpc_statically)
  get_directory_property(targets IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    if(NOT target MATCHES "^(absl|gRPC|protobuf)::")
      continue()
    endif()
    get_target_property(type ${target} TYPE)
    if(NOT type MATCHES "^(SHARED|UNKNOWN)_LIBRARY$")
      continue()
    endif()
    foreach(suffix "" _NONE _RELEASE)
      get_target_property(location ${target} IMPORTED_LOCATION${suffix})
      if(NOT location)
        continue()
      endif()
      string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${location}")
      # All or none: two copies of one library in a program would each have their own state.
      if(NOT EXISTS "${archive}")
        message(FATAL_ERROR "${archive} is missing; configure with -DHOTLINE_STATIC_RPC=OFF")
      endif()
      set_target_properties(${target} PROPERTIES IMPORTED_LOCATION${suffix} "${archive}" IMPORTED_SONAME${suffix} "")
    endforeach()
  endforeach()
endfunction()
