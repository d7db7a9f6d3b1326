# The path is given at init (-backend-config=path=…): state lives outside the checkout.
terraform {
  backend "local" {}
}
