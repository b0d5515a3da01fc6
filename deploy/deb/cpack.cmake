# Read by cpack before it makes the package. Without dpkg-shlibdeps it would make one that names none of the libraries it needs.
foreach(tool dpkg-shlibdeps file)
  find_program(found_${tool} ${tool})
  if(NOT found_${tool})
    message(FATAL_ERROR "The package cannot be made without ${tool}: apt-get install dpkg-dev file")
  endif()
endforeach()
